package log

import (
	"encoding/binary"
)

// The ids bucket finds duplicates: (author, id) -> leaf index. The id comes
// first in the key because UUIDv7 begins with a time, so that inserts fall
// near the end; the author is a number because names are up to 100 bytes.

func idKey(id [16]byte, author []byte) []byte {
	return append(append(make([]byte, 0, 20), id[:]...), author...)
}

// lookupID returns the leaf index of the record that an author gave an id.
func (b *buckets) lookupID(author string, id [16]byte) (index uint64, found bool, err error) {
	number := b.authors.Get([]byte(author))
	if number == nil {
		return 0, false, nil
	}
	value := b.ids.Get(idKey(id, number))
	if value == nil {
		return 0, false, nil
	}
	in := decoder{rest: value}
	index = in.uvarint()
	if in.bad || len(in.rest) > 0 {
		return 0, false, corrupt("the leaf index of an id can't be read")
	}
	return index, true, nil
}

func (b *buckets) putID(author string, id [16]byte, index uint64) error {
	number := b.authors.Get([]byte(author))
	if number == nil {
		n, err := b.authors.NextSequence()
		if err != nil {
			return err
		}
		number = binary.BigEndian.AppendUint32(nil, uint32(n))
		if err := b.authors.Put([]byte(author), number); err != nil {
			return err
		}
	}
	return b.ids.Put(idKey(id, number), binary.AppendUvarint(nil, index))
}
