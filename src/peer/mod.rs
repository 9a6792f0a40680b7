//! One scripted peer as a machine: input and time in, commands out.
//!
//! Pure. Knows plans and signaling messages; knows nothing of `webrtc`, sockets or clocks.
