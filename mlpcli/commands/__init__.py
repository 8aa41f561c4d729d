"""What each command does; nothing here draws on a screen."""
