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
	fmt.Fprintln(out, "Three voting nodes in one process over TLS, quorum three of three, all synced and checked.")
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
	w.Flush()
	fmt.Fprintf(out, "\nThis disk: %.0f fdatasync/s of 4 KiB. One core of this processor: %.0f Ed25519 checks/s (circl),\n", f.Fdatasync, f.Ed25519)
	fmt.Fprintf(out, "%.0f with expanded keys, as nodes check records. In bulk %.2f records were acknowledged for each check\n", f.Expanded, f.Bulk.Acked/f.Ed25519)
	fmt.Fprintln(out, "that circl makes: a figure to compare machines by.")
	if g := f.Grow; g != nil {
		g.print(w, out)
	}
	return w.Flush()
}

func row(w io.Writer, flight, records int, p Phase) {
	fmt.Fprintf(w, "%d\t%d\t%.0f\t%.1f\t%.1f\t\n", flight, records, p.Acked, p.P50, p.P99)
}

func (g *Growth) print(w *tabwriter.Writer, out io.Writer) {
	fmt.Fprintf(out, "\nOne node by itself, without network, readings of %d vehicles:\n", vehicles)
	fmt.Fprintln(w, "records in the log\tµs a record\tµs of processor\t")
	for _, a := range g.Appends {
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t\n", a.Records, a.Wall, a.CPU)
	}
	w.Flush()
	fmt.Fprintf(out, "The last size costs %.2f times the first. Go heap and stacks: %.1f MB. Restart: %.2f s.\n", g.Flat, g.Heap, g.Restart)
	fmt.Fprintf(out, "On disk a record: %.0f bytes in raft.db, %.0f in tree.db.\n", g.RaftDB, g.TreeDB)
	fmt.Fprintf(out, "The proof of a history of %d records: made in %.1f ms, verified in %.1f ms, %d bytes.\n", g.History, g.ProofMake, g.Verify, g.ProofSize)
	fmt.Fprintf(out, "A fresh node joins in %.1f s, %.1f MB over the network. Its restart: %.2f s.\n", g.Join, g.JoinBytes, g.JoinRestart)
}
