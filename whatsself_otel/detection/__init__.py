"""How personal data and secrets are recognised; :mod:`whatsself_otel.masking` decides what becomes of them."""
