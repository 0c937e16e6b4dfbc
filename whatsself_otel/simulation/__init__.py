"""Scenarios on the real backends: the troubles of a business and the alerts that its operators receive."""
