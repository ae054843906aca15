package log_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/verify"
)

const (
	benchOrigin   = "bench.example/00112233445566778899aabbccddeeff00112233"
	benchBatch    = 512
	benchVehicles = 100_000
)

// benchLog feeds records of random vehicles, without notes and signatures:
// what is measured is this room alone.
type benchLog struct {
	*log.Log
	path   string
	ledger uint64
	rand   *rand.Rand
	ids    uint64
}

func openBench(tb testing.TB, path string) *benchLog {
	tb.Helper()
	l, err := log.Open(path, log.Config{Origin: benchOrigin})
	if err != nil {
		tb.Fatal(err)
	}
	index, _ := l.Applied()
	return &benchLog{Log: l, path: path, ledger: index, rand: rand.New(rand.NewPCG(1, index)), ids: index * benchBatch}
}

func vehicle(n int) string { return fmt.Sprintf("vehicle/1N4AZ0CP1DC%06d", n) }

// batch appends one batch in one transaction.
func (l *benchLog) batch(tb testing.TB, records, vehicles int) *log.View {
	tx, err := l.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback()
	l.ledger++
	for pos := range records {
		l.ids++
		r := log.Record{
			Author:   fmt.Sprintf("dealer.example/%d", l.rand.IntN(200)),
			Subjects: []string{vehicle(l.rand.IntN(vehicles))},
		}
		binary.BigEndian.PutUint64(r.ID[:], l.ids)
		binary.BigEndian.PutUint64(r.ID[8:], l.rand.Uint64())
		r.Hash = verify.LeafHash(r.ID[:])
		if _, found, err := tx.Lookup(r.Author, r.ID); found || err != nil {
			tb.Fatal(found, err)
		}
		if _, err := tx.Add(l.ledger, pos, r); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := tx.Seal(1777880000000 + int64(l.ledger)); err != nil {
		tb.Fatal(err)
	}
	tx.SetApplied(l.ledger, 1)
	v, err := tx.Commit()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// BenchmarkGrow shows what a record costs as the log grows: the cost of an
// append, synced, in batches of 512, over the last records before each size.
// Set MILEPOST_BENCH_SIZE to the largest size, by default 100,000, and
// MILEPOST_BENCH_VEHICLES to the number of vehicles, by default as many.
func BenchmarkGrow(b *testing.B) {
	limit, vehicles := setting(b, "MILEPOST_BENCH_SIZE", 100_000), setting(b, "MILEPOST_BENCH_VEHICLES", benchVehicles)
	path := filepath.Join(b.TempDir(), "tree.db")
	l := openBench(b, path)
	records := 0
	for _, size := range []int{10_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000} {
		if size > limit {
			break
		}
		for records < size-size/10 {
			l.batch(b, benchBatch, vehicles)
			records += benchBatch
		}
		start, from := time.Now(), records
		io0, cpu0 := writtenBytes(), cpuTime()
		for records < size {
			l.batch(b, benchBatch, vehicles)
			records += benchBatch
		}
		cost := time.Since(start)
		written, cpu := writtenBytes()-io0, cpuTime()-cpu0
		n := int64(records - from)
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.Logf("%9d records: %6.1f us a record (%.1f us of CPU), %5d bytes written a record, %4d bytes on disk a record, heap %d KiB",
			records, float64(cost.Microseconds())/float64(n), float64(cpu.Microseconds())/float64(n), written/n, info.Size()/int64(records), m.HeapAlloc>>10)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	l = openBench(b, path)
	b.Logf("%9d records: opened in %v", records, time.Since(start))
	l.Close()
}

func setting(tb testing.TB, name string, value int) int {
	if s := os.Getenv(name); s != "" {
		if _, err := fmt.Sscan(s, &value); err != nil {
			tb.Fatal(name, err)
		}
	}
	return value
}

// writtenBytes is what the process has handed to the disk so far, where the
// system tells.
func writtenBytes() (n int64) {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	var rchar, wchar, syscr, syscw, rbytes int64
	fmt.Sscanf(string(data), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\nread_bytes: %d\nwrite_bytes: %d",
		&rchar, &wchar, &syscr, &syscw, &rbytes, &n)
	return n
}

// cpuTime is the processor time that the process has taken so far, where the
// system tells.
func cpuTime() time.Duration {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func BenchmarkAppend512(b *testing.B) {
	l := openBench(b, filepath.Join(b.TempDir(), "tree.db"))
	defer l.Close()
	for range 40 {
		l.batch(b, benchBatch, benchVehicles)
	}
	b.ResetTimer()
	for range b.N {
		l.batch(b, benchBatch, benchVehicles)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch), "ns/record")
}

func BenchmarkAppendOne(b *testing.B) {
	l := openBench(b, filepath.Join(b.TempDir(), "tree.db"))
	defer l.Close()
	l.batch(b, benchBatch, benchVehicles)
	b.ResetTimer()
	for range b.N {
		l.batch(b, 1, benchVehicles)
	}
}

// BenchmarkHistoryProof reads a history of 100 records and its proof.
func BenchmarkHistoryProof(b *testing.B) {
	l := openBench(b, filepath.Join(b.TempDir(), "tree.db"))
	defer l.Close()
	var v *log.View
	for range 100 {
		v = l.batch(b, benchBatch, 500)
	}
	b.ResetTimer()
	for i := range b.N {
		h, err := v.History(vehicle(i % 500))
		if err != nil || len(h) < 50 {
			b.Fatal(len(h), err)
		}
		if _, err := v.IndexProof(vehicle(i % 500)); err != nil {
			b.Fatal(err)
		}
	}
}
