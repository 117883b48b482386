"""Content: templates with Liquid and MJML, rendered for one person."""
