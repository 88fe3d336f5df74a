"""The sections of a run's page: functions from a Page to a Section, or None where its numbers are missing."""
