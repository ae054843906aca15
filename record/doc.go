// Package record is what is signed: the envelope that every record has, the
// table of record types, vehicle and subject names, signing and opening.
//
// It promises that a record that Open accepts is canonical (DESIGN of the
// format: docs/format.md), within every cap, and fits the definition of its
// type field by field; that the definition stands in one place; and that a
// wrong field is named in the error. It checks no authority: who may sign
// what, and when, is the business of the room verify. Pure: no file, no
// clock, no network.
package record
