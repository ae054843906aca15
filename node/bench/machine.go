package bench

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

// machine collects the rates of what bounds a node, measured several times
// between the phases: others may be using the machine too.
type machine struct {
	dir                          string
	fdatasync, ed25519, expanded []float64
}

func (m *machine) measure() error {
	syncs, err := syncRate(m.dir)
	if err != nil {
		return fmt.Errorf("measure the disk: %w", err)
	}
	plain, err := checkRate(certs.VerifyEd25519)
	if err != nil {
		return err
	}
	expanded, err := checkRate(node.SigCheck())
	if err != nil {
		return err
	}
	m.fdatasync, m.ed25519, m.expanded = append(m.fdatasync, syncs), append(m.ed25519, plain), append(m.expanded, expanded)
	return nil
}

// syncRate writes pages of 4 KiB into a file that has its size already, as
// BoltDB does, and syncs after each.
func syncRate(dir string) (rate float64, err error) {
	path := filepath.Join(dir, "sync")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	const pages = 256
	page := make([]byte, 4096)
	rand.Read(page)
	for i := range int64(pages) {
		if _, err := f.WriteAt(page, i*int64(len(page))); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	start := time.Now()
	n := 0
	for ; time.Since(start) < machineTime; n++ {
		page[0] = byte(n)
		if _, err := f.WriteAt(page, int64(n%pages*len(page))); err != nil {
			return 0, err
		}
		if err := fdatasync(f); err != nil {
			return 0, err
		}
	}
	return round(float64(n) / time.Since(start).Seconds()), nil
}

// checkRate checks signatures of texts as long as a record, one after the
// other.
func checkRate(check verify.SigCheck) (float64, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	texts, sigs := make([][]byte, 64), make([][]byte, 64)
	for i := range texts {
		texts[i] = make([]byte, 500)
		rand.Read(texts[i])
		sigs[i] = ed25519.Sign(private, texts[i])
	}
	start := time.Now()
	n := 0
	for ; time.Since(start) < machineTime; n++ {
		if i := n % len(texts); !check(public, texts[i], sigs[i]) {
			return 0, errors.New("a good signature does not verify")
		}
	}
	return round(float64(n) / time.Since(start).Seconds()), nil
}

// median returns the middle one of some measurements, 0 of none.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	return xs[len(xs)/2]
}
