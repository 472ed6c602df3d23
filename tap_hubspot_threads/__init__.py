"""Singer tap for the conversation threads of a HubSpot account."""
