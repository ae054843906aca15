package log

import (
	"encoding/binary"
	"slices"
)

// The hashes bucket finds a leaf by its hash. As one key for each leaf it
// would cost a page for each record, as much as all else together, since
// hashes fall anywhere. So it is made of runs, as in a log-structured merge
// tree: a run of level k covers 256·16^k leaves, and 16 runs of a level are
// merged into one of the next. The newest leaves, less than 256, are in no
// run; they are found by looking through their tiles.
//
// A run is cut by the top bits of the hashes into cells of 64 or so; a cell
// is one value, of entries in no order:
//
//	byte level || uint64 run || uint32 cell -> (6-byte hash prefix || leaf)*
//
// where leaf is its offset in the run, in as many bytes as that needs. What
// matches a prefix is checked against the tiles, so that it does no harm if
// two leaves share one, by chance or on purpose.
//
// A merge goes on by one cell of all 16 runs for every 256 leaves that the
// tree grows, so no append has to wait for a big one. How far every merge is
// follows from the size of the tree alone; nothing is noted down.
const (
	runBits    = 8 // a run of level 0 has 2^8 leaves
	cellBits   = 6 // and cells of 2^6
	fanBits    = 4 // 2^4 runs are merged into one
	prefixLen  = 6
	runLevels  = 8 // runs of the last have 2^36 leaves, and are not merged
	mergeEvery = 8 // a step of each merge for every 2^8 leaves
)

// runShift is the binary logarithm of the number of leaves of a run.
func runShift(level int) int { return runBits + fanBits*level }

// cellShift is the binary logarithm of the number of cells of a run.
func cellShift(level int) int { return runShift(level) - cellBits }

// offsetLen is the number of bytes of a leaf's offset in a run.
func offsetLen(level int) int { return (runShift(level) + 7) / 8 }

func cellKey(level int, run, cell uint64) []byte {
	key := binary.BigEndian.AppendUint64([]byte{byte(level)}, run)
	return binary.BigEndian.AppendUint32(key, uint32(cell))
}

// cellOf returns the cell of a hash, by its prefix.
func cellOf(level int, prefix []byte) uint64 {
	return uint64(binary.BigEndian.Uint32(prefix)) >> (32 - cellShift(level))
}

// merged returns how many cells of level-1 have been merged into runs of
// level, in a tree of the given size; each run takes 2^cellShift(level-1)
// steps. A merge begins a sixteenth of a run late, when the last of the runs
// that it takes in is sure to be finished itself, and takes a quarter.
func merged(level int, size uint64) uint64 {
	if level == 0 || level >= runLevels {
		return 0
	}
	ready, beyond := size>>runShift(level), size&(1<<runShift(level)-1)
	if ready == 0 {
		return 0
	}
	steps := uint64(1) << cellShift(level-1)
	done := uint64(0)
	if late := uint64(1) << runShift(level-1); beyond > late {
		done = min(steps, (beyond-late)>>mergeEvery)
	}
	return (ready-1)*steps + done
}

// indexHashes takes in the leaves by which the tree has grown, once they are
// in the tiles.
func (b *buckets) indexHashes(from, to uint64) error {
	for run := from >> runBits; run < to>>runBits; run++ {
		if err := b.makeRun(run); err != nil {
			return err
		}
	}
	for level := 1; level < runLevels; level++ {
		for step := merged(level, from); step < merged(level, to); step++ {
			shift := cellShift(level - 1)
			if err := b.mergeCells(level, step>>shift, step&(1<<shift-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeRun makes a run of level 0 from the tiles.
func (b *buckets) makeRun(run uint64) error {
	cells := make([][]byte, 1<<cellShift(0))
	first := run << runBits
	for i := uint64(0); i < 1<<runBits; i += chunkLen {
		hashes, err := b.hashesOf(0, first+i, chunkLen)
		if err != nil {
			return err
		}
		for j := range hashes {
			c := &cells[cellOf(0, hashes[j][:])]
			*c = append(append(*c, hashes[j][:prefixLen]...), byte(i)+byte(j))
		}
	}
	return b.putCells(0, run, 0, cells)
}

// mergeCells moves one cell of each of the 16 runs below into the 16 cells of
// a run that take its place.
func (b *buckets) mergeCells(level int, run, cell uint64) error {
	const fan = 1 << fanBits
	cells := make([][]byte, fan)
	width := offsetLen(level)
	for i := uint64(0); i < fan; i++ {
		key := cellKey(level-1, run<<fanBits+i, cell)
		err := eachInCell(level-1, b.hashes.Get(key), func(prefix []byte, offset uint64) error {
			c := &cells[cellOf(level, prefix)%fan]
			*c = append(*c, prefix...)
			offset += i << runShift(level-1)
			for at := width - 1; at >= 0; at-- {
				*c = append(*c, byte(offset>>(8*at)))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := b.hashes.Delete(key); err != nil {
			return err
		}
	}
	return b.putCells(level, run, cell<<fanBits, cells)
}

func (b *buckets) putCells(level int, run, first uint64, cells [][]byte) error {
	for i, c := range cells {
		if len(c) == 0 {
			continue
		}
		if err := b.hashes.Put(cellKey(level, run, first+uint64(i)), c); err != nil {
			return err
		}
	}
	return nil
}

// eachInCell calls fn for every entry of a cell, until it returns an error.
func eachInCell(level int, cell []byte, fn func(prefix []byte, offset uint64) error) error {
	width := prefixLen + offsetLen(level)
	if len(cell)%width != 0 {
		return corrupt("a cell of leaf hashes can't be read")
	}
	for ; len(cell) > 0; cell = cell[width:] {
		offset := uint64(0)
		for _, x := range cell[prefixLen:width] {
			offset = offset<<8 | uint64(x)
		}
		if err := fn(cell[:prefixLen], offset); err != nil {
			return err
		}
	}
	return nil
}

// findHash returns a leaf with the given hash in the tree of the given size.
func (b *buckets) findHash(h *[32]byte, size uint64) (index uint64, found bool, err error) {
	for at := size &^ (1<<runBits - 1); at < size; at += chunkLen {
		tail, err := b.hashesOf(0, at, int(min(chunkLen, size-at)))
		if err != nil {
			return 0, false, err
		}
		if i := slices.Index(tail, *h); i >= 0 {
			return at + uint64(i), true, nil
		}
	}
	for level := 0; level < runLevels && !found; level++ {
		cell := cellOf(level, h[:])
		runs := size >> runBits // those that exist
		if level > 0 {
			// The cell's own step must be done, which it is in all but
			// perhaps the last.
			shift := cellShift(level - 1)
			steps := merged(level, size)
			runs = steps >> shift
			if cell>>fanBits < steps&(1<<shift-1) {
				runs++
			}
		}
		// And those that were merged into the next level are gone.
		shift := cellShift(level)
		gone := uint64(0)
		if level+1 < runLevels {
			steps := merged(level+1, size)
			gone = steps >> shift
			if cell < steps&(1<<shift-1) {
				gone++
			}
		}
		for run := gone << fanBits; run < runs && !found; run++ {
			err := eachInCell(level, b.hashes.Get(cellKey(level, run, cell)), func(prefix []byte, offset uint64) error {
				if found || string(prefix) != string(h[:prefixLen]) {
					return nil
				}
				at := run<<runShift(level) + offset
				got, err := b.leafHash(at)
				if err == nil && got == *h {
					index, found = at, true
				}
				return err
			})
			if err != nil {
				return 0, false, err
			}
		}
	}
	return index, found, nil
}
