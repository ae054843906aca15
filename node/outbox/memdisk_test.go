package outbox

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// memDisk is a disk in memory that can lose its power, or be full, at any
// step. What a file held when it was written is kept; what was done to a
// directory after its last sync is kept or not, each thing by itself.
type memDisk struct {
	mu      sync.Mutex
	files   map[string]memFile // as programs see them
	durable map[string]memFile // as the platters have them
	undone  []change           // not synced yet, oldest first

	steps   int
	crashAt int // the power fails at this step; 0 for never
	fullAt  int // from this step on, 10 writes fail; 0 for never
	keep    func() bool
}

type memFile struct {
	data []byte
	mod  time.Time
}

// change is what was done to a directory: files that are there now, and names
// that are gone.
type change struct {
	dir  string
	file map[string]memFile
	gone []string
}

// powerLoss is what a process dies of.
type powerLoss struct{}

func newMemDisk(seed uint64) *memDisk {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &memDisk{files: map[string]memFile{}, durable: map[string]memFile{}, keep: func() bool { return rng.Uint64()&1 == 0 }}
}

// step counts, and fails what is to fail there.
func (m *memDisk) step(writes bool) error {
	m.steps++
	if m.steps == m.crashAt {
		panic(powerLoss{})
	}
	if writes && m.fullAt > 0 && m.steps >= m.fullAt && m.steps < m.fullAt+10 {
		return fault.New("disk_full", "", "the disk is full")
	}
	return nil
}

// restart is power coming back: what was not synced may be gone.
func (m *memDisk) restart() {
	for _, c := range m.undone {
		if m.keep() {
			m.apply(m.durable, c)
		}
	}
	m.undone, m.files = nil, map[string]memFile{}
	for p, f := range m.durable {
		m.files[p] = f
	}
	m.crashAt = 0
}

func (m *memDisk) apply(to map[string]memFile, c change) {
	for _, p := range c.gone {
		delete(to, p)
	}
	for p, f := range c.file {
		to[p] = f
	}
}

func (m *memDisk) do(c change) {
	m.apply(m.files, c)
	m.undone = append(m.undone, c)
}

func (m *memDisk) mkdir(string) error { return nil }

func (m *memDisk) write(path string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	half := memFile{slices.Clone(data[:len(data)/2]), time.Now()}
	m.do(change{filepath.Dir(path), map[string]memFile{path: half}, nil})
	if err := m.step(true); err != nil {
		return err
	}
	m.do(change{filepath.Dir(path), map[string]memFile{path: {slices.Clone(data), time.Now()}}, nil})
	return m.step(false)
}

func (m *memDisk) rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	m.do(change{filepath.Dir(to), map[string]memFile{to: f}, []string{from}})
	return m.step(false)
}

func (m *memDisk) remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[path]; ok {
		m.do(change{filepath.Dir(path), nil, []string{path}})
	}
	return m.step(false)
}

func (m *memDisk) syncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(false); err != nil {
		return err
	}
	var later []change
	for _, c := range m.undone {
		if c.dir == filepath.Clean(dir) {
			m.apply(m.durable, c)
		} else {
			later = append(later, c)
		}
	}
	m.undone = later
	return m.step(false)
}

func (m *memDisk) read(path string, max int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[path]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case int64(len(f.data)) > max:
		return nil, fault.New("too_large", path, fmt.Sprintf("it is larger than %d bytes", max))
	}
	return slices.Clone(f.data), nil
}

func (m *memDisk) list(dir string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.files {
		if filepath.Dir(p) == filepath.Clean(dir) {
			names = append(names, filepath.Base(p))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memDisk) stat(path string) (fileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.files[path]; ok {
		return fileInfo{int64(len(f.data)), f.mod, true}, nil
	}
	for p := range m.files {
		if strings.HasPrefix(p, filepath.Clean(path)+string(filepath.Separator)) {
			return fileInfo{}, nil
		}
	}
	return fileInfo{}, fs.ErrNotExist
}

func (m *memDisk) lock(string) (func() error, error) { return func() error { return nil }, nil }

// drop puts a file there, synced, as another program would.
func (m *memDisk) drop(path string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path] = memFile{data, time.Now()}
	m.durable[path] = m.files[path]
}
