package log

import (
	"bytes"
	"encoding/binary"

	"github.com/milepost-log/milepost/verify"
)

// batch says of one batch of leaves where its records lie in the ledger, and
// all that its seal says, so that neither is stored again.
//
// Its key is the first leaf index; its value is
//
//	uvarint ledger index || uvarint time || 32-byte index root || runs
//
// where each run is two uvarints: how many records of the ledger entry are
// passed over, and how many then follow as leaves. A batch that took in all
// of its entry has one run.
type batch struct {
	first  uint64 // log index of the first record
	ledger uint64 // index of the ledger entry
	time   int64  // of the seal, in milliseconds since 1970 UTC
	root   [32]byte
	runs   []run
	count  uint64 // records; the seal's log index is first+count
}

type run struct{ pos, count uint64 }

// add appends the position of the next record, which must be above the last.
func (b *batch) add(pos uint64) {
	b.count++
	if n := len(b.runs); n > 0 && b.runs[n-1].pos+b.runs[n-1].count == pos {
		b.runs[n-1].count++
		return
	}
	b.runs = append(b.runs, run{pos, 1})
}

// pos returns the position in the ledger entry of record i of the batch.
func (b *batch) pos(i uint64) uint64 {
	for _, r := range b.runs {
		if i < r.count {
			return r.pos + i
		}
		i -= r.count
	}
	panic("log: a record beyond its batch") // place never asks for it
}

// seal rebuilds the seal that ends the batch.
func (b *batch) seal(origin string) *verify.Seal {
	s := &verify.Seal{Origin: origin, Index: b.first + b.count, Time: b.time, IndexRoot: b.root}
	if b.first > 0 {
		s.Prev = b.first - 1
	}
	return s
}

func (b *batch) bytes() []byte {
	out := binary.AppendUvarint(nil, b.ledger)
	out = binary.AppendUvarint(out, uint64(b.time))
	out = append(out, b.root[:]...)
	next := uint64(0)
	for _, r := range b.runs {
		out = binary.AppendUvarint(out, r.pos-next)
		out = binary.AppendUvarint(out, r.count)
		next = r.pos + r.count
	}
	return out
}

func parseBatch(key, value []byte) (*batch, error) {
	in := decoder{rest: value}
	if len(key) != 8 {
		in.bad = true
		key = make([]byte, 8)
	}
	b := &batch{first: binary.BigEndian.Uint64(key), ledger: in.uvarint(), time: int64(in.uvarint()), root: in.hash()}
	for next := uint64(0); len(in.rest) > 0 && !in.bad; {
		r := run{pos: next + in.uvarint(), count: in.uvarint()}
		if r.pos > 1<<32 || r.count == 0 || r.count > 1<<32 {
			in.bad = true // no ledger entry is that long; and nothing overflows
		}
		b.runs = append(b.runs, r)
		b.count += r.count
		next = r.pos + r.count
	}
	if in.bad || b.count == 0 {
		return nil, corrupt("the batch at leaf %d can't be read", b.first)
	}
	return b, nil
}

func (b *buckets) putBatch(x *batch) error {
	return b.batches.Put(binary.BigEndian.AppendUint64(nil, x.first), x.bytes())
}

// batchOf returns the batch of a leaf, be it a record or the seal.
func (b *buckets) batchOf(index uint64) (*batch, error) {
	key := binary.BigEndian.AppendUint64(nil, index)
	c := b.batches.Cursor()
	k, v := c.Seek(key)
	switch {
	case k == nil:
		// Not Prev: what it does past the end is not documented.
		k, v = c.Last()
	case !bytes.Equal(k, key):
		k, v = c.Prev()
	}
	if k == nil {
		return nil, corrupt("no batch has leaf %d", index)
	}
	found, err := parseBatch(k, v)
	if err != nil {
		return nil, err
	}
	if index < found.first || index > found.first+found.count {
		return nil, corrupt("no batch has leaf %d", index)
	}
	return found, nil
}

// decoder reads the values of this package. After the first error it reads
// zeroes; bad says so.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return x
}

func (d *decoder) hash() (h [32]byte) {
	if len(d.rest) < 32 {
		d.bad, d.rest = true, nil
		return h
	}
	h = [32]byte(d.rest)
	d.rest = d.rest[32:]
	return h
}
