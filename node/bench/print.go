package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Print writes the figures for a person.
func (f *Figures) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "Three voting nodes in one process over TLS, quorum three of three, all synced and checked.")
	fmt.Fprintln(w, "requests in flight\trecords each\tacknowledged/s\tp50 ms\tp99 ms\t")
	var flights []int
	for s := range f.Inflight {
		n, _ := strconv.Atoi(s)
		flights = append(flights, n)
	}
	slices.Sort(flights)
	for _, n := range flights {
		row(w, n, 1, f.Inflight[strconv.Itoa(n)])
	}
	row(w, bulkInflight, bulkRecords, f.Bulk)
	fmt.Fprintln(w)
	w.Flush()
	fmt.Fprintf(w, "This disk:\t%.0f\tfdatasync/s of 4 KiB\n", f.Fdatasync)
	fmt.Fprintf(w, "This processor:\t%.0f\tEd25519 checks/s on one core (circl)\n", f.Ed25519)
	fmt.Fprintf(w, "\t%.0f\tEd25519 checks/s on one core (expanded keys, as nodes check)\n", f.Expanded)
	w.Flush()
	if g := f.Grow; g != nil {
		g.print(w)
	}
	return w.Flush()
}

func row(w io.Writer, flight, records int, p Phase) {
	fmt.Fprintf(w, "%d\t%d\t%.0f\t%.1f\t%.1f\t\n", flight, records, p.Acked, p.P50, p.P99)
}

func (g *Growth) print(w *tabwriter.Writer) {
	fmt.Fprintln(w)
	fmt.Fprintf(w, "One node by itself, without network, records of %d vehicles:\n", vehicles)
	fmt.Fprintln(w, "records in the log\tµs a record\tµs of processor\tin signature checks\t")
	for _, a := range g.Appends {
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t%.2f\t\n", a.Records, a.Cost, a.CPU, a.Checks)
	}
	w.Flush()
	fmt.Fprintf(w, "The last size costs %.2f times the first, counted in signature checks of the moment.\n", g.Flat)
	fmt.Fprintf(w, "Go heap and stacks: %.1f MB. Restart: %.2f s. On disk a record: %.0f bytes in raft.db, %.0f in tree.db.\n", g.Heap, g.Restart, g.RaftDB, g.TreeDB)
	fmt.Fprintf(w, "The proof of a history of %d records: made in %.1f ms, verified in %.1f ms, %d bytes.\n", g.History, g.ProofMake, g.Verify, g.ProofSize)
}
