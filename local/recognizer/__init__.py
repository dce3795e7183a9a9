"""ElevenLabs' realtime protocol on this machine: `server.py` before `engines/` (docs/recognizer.md)."""
