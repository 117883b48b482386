"""Standardise and enrich: one file a step, tables and pure functions.

Read `steps` for the order, `step` for what a step may look at.
"""

from tailorbird.events.standardise.agents import device_type, is_bot, user_agent
from tailorbird.events.standardise.countries import country, region
from tailorbird.events.standardise.currencies import currency
from tailorbird.events.standardise.dates import date, instant
from tailorbird.events.standardise.emails import email
from tailorbird.events.standardise.hours import time_of_day
from tailorbird.events.standardise.names import event_name
from tailorbird.events.standardise.phones import phone
from tailorbird.events.standardise.plans import Plan
from tailorbird.events.standardise.step import Step, Surroundings, Unfit
from tailorbird.events.standardise.steps import STEPS, Way, close, standardise, way_of
from tailorbird.events.standardise.whereabouts import ip
from tailorbird.events.standardise.zones import time_zone

__all__ = [
    "STEPS",
    "Plan",
    "Step",
    "Surroundings",
    "Unfit",
    "Way",
    "close",
    "country",
    "currency",
    "date",
    "device_type",
    "email",
    "event_name",
    "instant",
    "ip",
    "is_bot",
    "phone",
    "region",
    "standardise",
    "time_of_day",
    "time_zone",
    "user_agent",
    "way_of",
]
