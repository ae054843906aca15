// Package outbox keeps the signed records of a dealer with a bad line until
// the log has acknowledged them, and gives workshop systems that can't sign a
// door to it: a sign-and-submit endpoint on loopback and a watched folder.
//
// A queue is one directory. Where a record's file is says what became of it:
//
//	outbox.json                    whose it is: log and member
//	pending/<time>-<hash>.record   signed, NOT acknowledged: nobody else has it
//	sent/<hash>.record, .json      acknowledged, with its log index
//	refused/<hash>.record, .json   the log has said no, and why
//	requests/<token>.json          what a workshop system asked for, signed once
//
// It promises: when Add returns, the bytes are on this disk, and they leave
// pending only after the log's answer is on it too, beside a copy of them. So
// no crash loses a record; one that was sent may be sent again, which the log
// answers with "present", since the bytes are the same. What is signed here
// is signed once for each token, whatever happens in between.
//
// It assumes a disk that keeps what was synced, and nothing more: no file is
// moved from one directory to another, for on the file systems of memory
// sticks that isn't one step. It does not promise that a record will be
// accepted: pending is no acknowledgement.
package outbox
