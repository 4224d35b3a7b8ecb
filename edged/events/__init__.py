"""What happens before cameras and microphones: rules over what streams show, and events that come of them."""
