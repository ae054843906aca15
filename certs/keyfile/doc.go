// Package keyfile keeps private keys on disk: one file, one key.
//
// A key file is text, mode 0600, in a strict form of four lines:
//
//	milepost/key@v1
//	use: record
//	name: dealer.example/lyon
//	seed: <base64 of 32 bytes>
//
// With a passphrase the same four lines are encrypted as age encrypts to a
// passphrase (scrypt, C2SP age), armored, so that `age --decrypt` opens the
// file too.
//
// It promises that an existing file is never overwritten, that a new file
// is on the disk when WriteFile returns, that a file which others can read is
// refused, and that a seed never shows when a Key is printed or logged. It
// leaves to others how a passphrase is asked for, and what a key may sign.
// It assumes that the file system honours O_EXCL and fsync. On systems
// without POSIX modes (Windows) who can read the file is not checked.
package keyfile
