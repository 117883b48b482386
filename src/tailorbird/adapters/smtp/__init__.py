"""Mail servers by SMTP."""
