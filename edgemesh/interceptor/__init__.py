"""Accept a connection, recognise its protocol, hand it over."""
