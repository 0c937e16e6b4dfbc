"""The embedded viewer: an OTLP receiver with a small store and a local web page, for development (extra ``viewer``)."""
