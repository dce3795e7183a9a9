"""The room's side: callbacks made into events, audio made into frames, Silero."""
