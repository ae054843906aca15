package log

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The meta bucket holds single values:
//
//	format         "1"
//	origin         the log's origin
//	head           uint64 size || 32-byte root, right after the newest seal
//	applied        uint64 index || uint64 term of the newest ledger entry taken in
//	configuration  opaque bytes of the rooms above
//	origins        of a log that begins with the leaves of others: whose leaves
//	               begin where; each uvarint first leaf || uvarint length || origin
//
// They are written in the transaction of the leaves that they speak of.
var (
	metaFormat        = []byte("format")
	metaOrigin        = []byte("origin")
	metaHead          = []byte("head")
	metaApplied       = []byte("applied")
	metaConfiguration = []byte("configuration")
	metaOrigins       = []byte("origins")
)

const formatVersion = "1"

// meta is what of it the writer keeps in memory.
type meta struct {
	size          uint64
	root          [32]byte // all zeroes while size is 0
	index, term   uint64
	configuration []byte
	origins       []span // ascending; nil for a log of one origin
}

// span says of which origin the seals from a leaf on are.
type span struct {
	first  uint64
	origin string
}

// originAt returns the origin of the seal that ends the batch of a leaf; own
// is the log's.
func originAt(spans []span, index uint64, own string) string {
	for i := len(spans) - 1; i >= 0; i-- {
		if spans[i].first <= index {
			return spans[i].origin
		}
	}
	return own
}

func encodeSpans(spans []span) (out []byte) {
	for _, s := range spans {
		out = binary.AppendUvarint(out, s.first)
		out = binary.AppendUvarint(out, uint64(len(s.origin)))
		out = append(out, s.origin...)
	}
	return out
}

func parseSpans(value []byte) (spans []span, err error) {
	in := decoder{rest: value}
	for len(in.rest) > 0 && !in.bad {
		s := span{first: in.uvarint()}
		if n := in.uvarint(); n <= uint64(len(in.rest)) {
			s.origin, in.rest = string(in.rest[:n]), in.rest[n:]
		} else {
			in.bad = true
		}
		spans = append(spans, s)
	}
	if in.bad {
		return nil, corrupt("whose leaves it begins with can't be read")
	}
	return spans, nil
}

func (b *buckets) loadMeta(cfg *Config) (m meta, err error) {
	if v := b.meta.Get(metaFormat); string(v) != formatVersion {
		return m, corrupt("its format is %q, this program reads %q", v, formatVersion)
	}
	switch v := b.meta.Get(metaOrigin); {
	case cfg.Origin == "":
		cfg.Origin = string(v)
	case string(v) != cfg.Origin:
		return m, corrupt("it belongs to the log %s, not to %s", v, cfg.Origin)
	}
	if v := b.meta.Get(metaHead); v != nil {
		if len(v) != 40 {
			return m, corrupt("its tree head can't be read")
		}
		m.size, m.root = binary.BigEndian.Uint64(v), [32]byte(v[8:])
	}
	if v := b.meta.Get(metaApplied); v != nil {
		if len(v) != 16 {
			return m, corrupt("its place in the ledger can't be read")
		}
		m.index, m.term = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
	}
	m.configuration = bytes.Clone(b.meta.Get(metaConfiguration))
	m.origins, err = parseSpans(b.meta.Get(metaOrigins))
	return m, err
}

// putMeta writes what differs from old.
func (b *buckets) putMeta(m, old *meta) error {
	if m.size != old.size {
		v := binary.BigEndian.AppendUint64(nil, m.size)
		if err := b.meta.Put(metaHead, append(v, m.root[:]...)); err != nil {
			return err
		}
	}
	if m.index != old.index || m.term != old.term {
		v := binary.BigEndian.AppendUint64(nil, m.index)
		if err := b.meta.Put(metaApplied, binary.BigEndian.AppendUint64(v, m.term)); err != nil {
			return err
		}
	}
	if !slices.Equal(m.configuration, old.configuration) {
		if err := b.meta.Put(metaConfiguration, m.configuration); err != nil {
			return err
		}
	}
	if len(m.origins) != len(old.origins) {
		return b.meta.Put(metaOrigins, encodeSpans(m.origins))
	}
	return nil
}
