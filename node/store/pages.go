package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The file format of bbolt, as far as a walk through its pages needs it; all
// integers in the byte order of the machine that wrote it, taken to be
// little-endian.
//
//	page     uint64 id || uint16 flags || uint16 count || uint32 overflow || elements || keys and values
//	branch   uint32 pos || uint32 key size || uint64 page
//	leaf     uint32 flags || uint32 pos || uint32 key size || uint32 value size
//	bucket   uint64 root page, 0 for one that stands inline || uint64 sequence || inline page
//	meta     uint32 magic, version, page size, flags || bucket root || uint64 freelist, high water, transaction, FNV-1a of all before
//
// A position is counted from the element itself.
const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	noFreelist   = ^uint64(0)
	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01
)

// What a page may hold with its overflow, in bytes: a flipped bit must not
// have the walk ask for all memory there is.
const (
	maxPageBytes = 2 * MaxEntry
	maxFreelist  = 4 << 30 // 8 bytes for each free page
)

// CheckPages walks all pages of a bbolt file that nobody writes to, without
// bbolt: each must be what it says it is, its elements within it, its keys in
// order and between those of its parent, and reached once. bbolt trusts all
// that; a flipped page number can lead it in a circle that no recover ends.
// It says nothing about values. The error says the page.
func CheckPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("check the pages: %w", err)
	}
	defer f.Close()
	w := &pageWalk{f: f}
	return w.run()
}

// Hold keeps other processes from writing to a bbolt file, without reading
// more of it than its meta pages, until release is called. Codes: data_in_use,
// ledger_corrupt if neither meta page is whole.
func Hold(path string) (release func() error, err error) {
	db, err := openBolt(path, Config{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return db.Close, nil
}

type pageWalk struct {
	f    *os.File
	size int    // of a page, bytes
	high uint64 // pages from here on are not in use
	seen []uint64
}

var errPages = errors.New("its pages do not fit together")

func badPage(id uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d %s", errPages, id, fmt.Sprintf(format, args...))
}

func (w *pageWalk) run() error {
	var root, freelist, txid uint64
	found := false
	err := w.metas(func(m []byte) {
		if id := binary.LittleEndian.Uint64(m[48:]); !found || id > txid {
			found, txid = true, id
			w.size = int(binary.LittleEndian.Uint32(m[8:]))
			root, freelist, w.high = binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[32:]), binary.LittleEndian.Uint64(m[40:])
		}
	})
	if err != nil {
		return err
	}
	info, err := w.f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("check the pages: %w", err)
	case !found || w.size < 512 || w.size > 1<<16:
		return fmt.Errorf("%w: neither of its meta pages is whole", errPages)
	case w.high > uint64(info.Size())/uint64(w.size):
		return fmt.Errorf("%w: it has %d bytes and should have %d pages of %d", errPages, info.Size(), w.high, w.size)
	}
	w.seen = make([]uint64, w.high/64+1)
	if freelist != noFreelist {
		p, err := w.read(freelist)
		if err != nil {
			return err
		}
		if err := w.checkFreelist(freelist, p); err != nil {
			return err
		}
	}
	return w.walk(root, nil, nil)
}

// metas hands fn what stands in each of the two meta pages; it is an error if
// one is not whole.
func (w *pageWalk) metas(fn func(m []byte)) error {
	head := make([]byte, 4096)
	if _, err := w.f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("%w: it is too short", errPages)
	}
	for _, at := range []int64{0, int64(w.pageSize(head))} {
		m := make([]byte, 80)
		if _, err := w.f.ReadAt(m, at); err != nil {
			continue
		}
		m = m[pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:56])
		if binary.LittleEndian.Uint32(m) != boltMagic || binary.LittleEndian.Uint32(m[4:]) != boltVersion || binary.LittleEndian.Uint64(m[56:]) != sum.Sum64() {
			// bbolt would take the other one, and be a transaction behind.
			return fmt.Errorf("%w: its meta page at byte %d is not whole", errPages, at)
		}
		fn(m)
	}
	return nil
}

// CheckMetas reads the two meta pages of a bbolt file, and nothing else. If
// one is not whole bbolt opens the file by the other one in silence, and at
// its next commit writes over the broken one.
func CheckMetas(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("check the meta pages: %w", err)
	}
	defer f.Close()
	return (&pageWalk{f: f}).metas(func([]byte) {})
}

// pageSize is what a file's first meta page says, if that can be believed.
func (w *pageWalk) pageSize(head []byte) int {
	n := int(binary.LittleEndian.Uint32(head[pageHeader+8:]))
	if n < 512 || n > 1<<16 || n&(n-1) != 0 {
		return os.Getpagesize()
	}
	return n
}

// read returns a page with its overflow, and notes that it was reached.
func (w *pageWalk) read(id uint64) ([]byte, error) {
	if id < 2 || id >= w.high {
		return nil, badPage(id, "is outside the file")
	}
	head := make([]byte, pageHeader)
	if _, err := w.f.ReadAt(head, int64(id)*int64(w.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	over := uint64(binary.LittleEndian.Uint32(head[12:]))
	if got := binary.LittleEndian.Uint64(head); got != id {
		return nil, badPage(id, "says it is page %d", got)
	}
	most := uint64(maxPageBytes)
	if binary.LittleEndian.Uint16(head[8:]) == freelistPage {
		most = maxFreelist
	}
	if id+over >= w.high || over*uint64(w.size) > most {
		return nil, badPage(id, "has an overflow of %d pages", over)
	}
	for i := id; i <= id+over; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, badPage(i, "is reached twice")
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	p := make([]byte, (int(over)+1)*w.size)
	if _, err := w.f.ReadAt(p, int64(id)*int64(w.size)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return p, nil
}

// checkFreelist refuses a list that names pages outside the file or twice:
// bbolt would hand out a page that is in use.
func (w *pageWalk) checkFreelist(id uint64, p []byte) error {
	if flags := binary.LittleEndian.Uint16(p[8:]); flags != freelistPage {
		return badPage(id, "is no list of free pages")
	}
	n, at := uint64(binary.LittleEndian.Uint16(p[10:])), pageHeader
	if n == 0xFFFF {
		n, at = binary.LittleEndian.Uint64(p[at:]), at+8
	}
	if n > uint64(len(p)-at)/8 {
		return badPage(id, "lists %d free pages", n)
	}
	for i := range n {
		free := binary.LittleEndian.Uint64(p[at+int(i)*8:])
		if free < 2 || free >= w.high || w.seen[free/64]&(1<<(free%64)) != 0 {
			return badPage(id, "lists page %d as free", free)
		}
		w.seen[free/64] |= 1 << (free % 64)
	}
	return nil
}

// walk checks the tree below a page, whose keys must be from low to below
// high; nil is no bound.
func (w *pageWalk) walk(id uint64, low, high []byte) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	return w.elements(id, p, low, high)
}

func (w *pageWalk) elements(id uint64, p []byte, low, high []byte) error {
	if len(p) < pageHeader {
		return badPage(id, "holds a bucket that is cut short")
	}
	flags, count := binary.LittleEndian.Uint16(p[8:]), int(binary.LittleEndian.Uint16(p[10:]))
	if flags != branchPage && flags != leafPage {
		return badPage(id, "has the unexpected type %x", flags)
	}
	if pageHeader+count*elementSize > len(p) || flags == branchPage && count == 0 {
		return badPage(id, "is said to hold %d elements", count)
	}
	at := func(i int) (from uint64, e, k, v []byte, err error) {
		base := pageHeader + i*elementSize
		e = p[base : base+elementSize]
		pos, ksize, vsize := uint64(binary.LittleEndian.Uint32(e)), uint64(binary.LittleEndian.Uint32(e[4:])), uint64(0)
		if flags == leafPage {
			pos, ksize, vsize = uint64(binary.LittleEndian.Uint32(e[4:])), uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
		}
		from = uint64(base) + pos
		if pos < uint64((count-i)*elementSize) || from+ksize+vsize > uint64(len(p)) {
			return 0, nil, nil, nil, badPage(id, "has element %d outside itself", i)
		}
		return from, e, p[from : from+ksize], p[from+ksize : from+ksize+vsize], nil
	}
	var before []byte
	next := uint64(pageHeader + count*elementSize) // bbolt leaves no gaps
	for i := range count {
		from, e, k, v, err := at(i)
		if err != nil {
			return err
		}
		if from != next {
			return badPage(id, "has element %d at byte %d, the one before ends at %d", i, from, next)
		}
		next += uint64(len(k) + len(v))
		// The first key of a branch may be above the least one below it, never
		// the other way round; a leaf's must keep to both bounds.
		if i > 0 && bytes.Compare(before, k) >= 0 || high != nil && bytes.Compare(k, high) >= 0 || low != nil && bytes.Compare(k, low) < 0 {
			return badPage(id, "has the key of element %d out of order", i)
		}
		before = k
		if flags == branchPage {
			below := high
			if i+1 < count {
				if _, _, below, _, err = at(i + 1); err != nil {
					return err
				}
			}
			err = w.walk(binary.LittleEndian.Uint64(e[8:]), k, below)
		} else if f := binary.LittleEndian.Uint32(e); f == bucketLeaf {
			err = w.bucket(id, v)
		} else if f != 0 {
			err = badPage(id, "has element %d of the unknown kind %x", i, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) bucket(id uint64, v []byte) error {
	if len(v) < bucketHeader {
		return badPage(id, "holds a bucket that is cut short")
	}
	if root := binary.LittleEndian.Uint64(v); root != 0 {
		return w.walk(root, nil, nil)
	}
	return w.elements(id, v[bucketHeader:], nil, nil)
}
