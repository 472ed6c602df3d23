"""What HubSpot's API does where its documentation leaves more than one reading.

Each probe reads a little of an account and says which reading of one fact it saw. The
same probes run against the fake, where they must name the switches that it was run
with, and, with `-m live`, against a real account.
"""
