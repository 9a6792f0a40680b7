//! One `RunReport` model → bytes, one file per format.
//!
//! Pure. Knows metrics and verdicts; never sees a live run, never writes a file.
