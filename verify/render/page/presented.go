package page

import "github.com/milepost-log/milepost/record"

// Presented is what became of the files that were handed in as attachments.
type Presented struct {
	Files   []File // in the order in which they were handed in
	Missing []Slot // attachments of the records that no file was handed in for
}

// File is one file that was handed in.
type File struct {
	Name   string // without its directory
	Bytes  int64
	SHA256 [32]byte
	Of     []Slot // the attachments that it is, by the hash of its content
	Closed int    // salted attachments of its size that could not be compared, for want of their openings
}

// Slot is one attachment of one record.
type Slot struct {
	record.Attachment
	Record *record.Record
	Number int // from 1, in the author's order
}
