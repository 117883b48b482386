"""The settings of `tailorbird.toml`: name, type and a sentence for the reference page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: table and key, its type, and a sentence for the reference page."""

    table: str
    key: str
    kind: type
    field: str
    says: str
    example: str

    @property
    def name(self) -> str:
        """Return the dotted name."""
        return f"{self.table}.{self.key}" if self.table else self.key


SETTINGS: tuple[Setting, ...] = (
    Setting("", "name", str, "name", "Name of the workspace, as people see it.", '"Corner shop"'),
    Setting(
        "",
        "timezone",
        str,
        "timezone",
        "Time zone of people whose own is not known (IANA name).",
        '"Europe/London"',
    ),
    Setting(
        "",
        "base_url",
        str,
        "base_url",
        "Address under which recipients reach this server: links and pixels begin with it.",
        '"https://mail.example.com"',
    ),
    Setting(
        "",
        "currencies",
        list,
        "currencies",
        "Currencies that amounts come in (ISO 4217). With more than one, adding up or comparing"
        " amounts has to say which is meant: `where currency = 'EUR'`.",
        '["EUR", "GBP"]',
    ),
    Setting(
        "",
        "publish_on_save",
        bool,
        "publishes_on_save",
        "Whether what is saved in the workspace folder goes live at once; with false it waits for"
        " `tailorbird apply`.",
        "true",
    ),
    Setting("sender", "name", str, "from_name", "Name that mails come from.", '"Corner shop"'),
    Setting(
        "sender",
        "address",
        str,
        "from_address",
        "Address that mails come from.",
        '"hello@shop.example"',
    ),
    Setting(
        "sender",
        "postal_address",
        str,
        "postal_address",
        "Postal address that marketing mail must show.",
        '"1 High Street, London"',
    ),
    Setting(
        "mail",
        "smtp_url",
        str,
        "smtp_url",
        "Mail server: smtp://, smtp+starttls:// or smtps:// with host and port; the environment "
        "variable TAILORBIRD_SMTP_URL and `serve --smtp-url` win over it.",
        '"smtp://localhost:25"',
    ),
    Setting(
        "mail",
        "marketing_per_day",
        int,
        "marketing_per_day",
        "Most marketing mails that one address gets in 24 hours, 1 to 100.",
        "1",
    ),
    Setting(
        "mail",
        "quiet_from",
        str,
        "quiet_from_minute",
        "Local time at which marketing mail begins to wait.",
        '"21:00"',
    ),
    Setting(
        "mail",
        "quiet_until",
        str,
        "quiet_until_minute",
        "Local time until which marketing mail waits.",
        '"08:00"',
    ),
    Setting(
        "mail",
        "demands_consent",
        bool,
        "demands_consent",
        "Whether marketing mail needs an explicit yes; else the absence of a no is enough.",
        "true",
    ),
    Setting(
        "delivery",
        "unknown",
        str,
        "unknown",
        "What becomes of a message of which nobody can know whether it arrived (a crash or a lost"
        " connection between its last byte and the server's answer): `keep` it as `unknown`, so"
        " it may be missing; or `resend` it, at most twice, so it may arrive double.",
        '"resend"',
    ),
    Setting(
        "identity",
        "external_id",
        int,
        "external_ids_max",
        "Most external ids of one person, 0 to 1000; 0: they identify nobody.",
        "20",
    ),
    Setting(
        "identity",
        "anonymous_id",
        int,
        "anonymous_ids_max",
        "Most anonymous ids (browsers, apps) of one person, 1 to 1000.",
        "100",
    ),
    Setting(
        "identity",
        "email",
        int,
        "emails_max",
        "Most e-mail addresses by which one person is known, 0 to 1000; 0: they identify nobody.",
        "5",
    ),
    Setting(
        "identity",
        "phone",
        int,
        "phones_max",
        "Most phone numbers by which one person is known, 0 to 1000; 0: they identify nobody.",
        "5",
    ),
    Setting(
        "identity",
        "device",
        int,
        "devices_max",
        "Most devices of one person, 0 to 1000; 0: they identify nobody.",
        "20",
    ),
    Setting(
        "identity",
        "blocked",
        list,
        "blocked_identifiers",
        "Values that stand for nobody, of any kind, capitals or not; they add to those that are"
        " always blocked, such as null or anonymous.",
        '["test", "kiosk-1"]',
    ),
    Setting(
        "storage",
        "free_mb_min",
        int,
        "free_mb_min",
        "Least free space on the data folder's disk, in MB: with less `/health` and `doctor` warn,"
        " 0 to 10000000. Under 100 MB nothing is collected in any case.",
        "1000",
    ),
    Setting(
        "storage",
        "free_percent_min",
        int,
        "free_percent_min",
        "The same as a share of the disk in percent, 0 to 50; they warn where either is met.",
        "5",
    ),
    Setting(
        "collect",
        "default_country",
        str,
        "default_country",
        "Country of telephone numbers that name none, where the person's is not known (ISO 3166).",
        '"CH"',
    ),
    Setting(
        "collect",
        "place_file",
        str,
        "place_file",
        "File in MaxMind's format (.mmdb) that tells where internet addresses are: fills"
        " `context.geo`. A relative path begins at the workspace.",
        '"places/GeoLite2-City.mmdb"',
    ),
    Setting(
        "collect",
        "sender_ip",
        bool,
        "uses_sender_ip",
        "Whether the place of a browser that sends no `context.ip` is looked up by the address that"
        " its request comes from; the address itself is not kept.",
        "true",
    ),
    Setting(
        "dead_letters",
        "keep_days",
        int,
        "dead_letters_days",
        "How many days refused items are kept.",
        "30",
    ),
    Setting(
        "dead_letters",
        "keep_mb",
        int,
        "dead_letters_mb",
        "How many MB of refused items are kept at most; the oldest make room.",
        "500",
    ),
    Setting(
        "lake",
        "enabled",
        bool,
        "keeps_lake",
        "Whether the server keeps the lake near the end of the log. Without it each"
        " question first brings it there.",
        "true",
    ),
    Setting(
        "lake",
        "interval_seconds",
        int,
        "lake_interval_seconds",
        "How often, in seconds, it looks for what is new, 1 to 86400.",
        "60",
    ),
    Setting(
        "lake",
        "keep_days",
        int,
        "lake_keep_days",
        "How many days of history the lake holds, 1 to 36500; 0 is for ever.",
        "730",
    ),
    Setting(
        "lake",
        "verify_people",
        int,
        "verify_people",
        "For about how many people it reckons anew what is live, 0 to 1000000; 0 is never.",
        "5000",
    ),
    Setting(
        "lake",
        "verify_hours",
        int,
        "verify_hours",
        "How often it does so, 1 to 720.",
        "6",
    ),
    Setting(
        "lake",
        "url",
        str,
        "lake_url",
        "Where the lake lies: `s3://BUCKET/PREFIX`; empty is the folder `lake` of the data folder.",
        '"s3://history/shop"',
    ),
    Setting(
        "sandbox",
        "is_on",
        bool,
        "is_sandbox",
        "Whether mail goes to the listed addresses only.",
        "true",
    ),
    Setting(
        "sandbox",
        "addresses",
        list,
        "sandbox_addresses",
        "Addresses that get mail while the sandbox is on.",
        '["me@example.com"]',
    ),
)
