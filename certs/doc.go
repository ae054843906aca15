// Package certs is the lowest room: signed notes, the keys that sign and
// check them, and the TLS identities whose public keys milepost pins.
//
// It promises that a note or a key that it accepts has exactly one byte
// form: whatever it parses it writes out again and compares. It knows
// nothing of records, trees or clusters, reads no file and no clock (a
// cosigner is handed its clock), and compiles to WebAssembly. Key files are
// in the room certs/keyfile, so that a verifier need not link it.
//
// Formats: C2SP signed-note and tlog-cosignature; Ed25519 is RFC 8032,
// ML-DSA-44 is FIPS 204 with an empty context.
package certs
