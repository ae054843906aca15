// Command trial puts errors into real series of readings and prints what the
// judgement makes of them. The figures are those of docs/judgement.md; the
// tests of this package hold them to what is promised.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

func main() {
	data := flag.String("data", "../shared/data", "folder with readings that are not part of the project")
	flag.Parse()
	if err := run(os.Stdout, *data); err != nil {
		fmt.Fprintln(os.Stderr, "trial:", err)
		os.Exit(2)
	}
}

func run(out io.Writer, data string) error {
	cars, source, err := load(data)
	if err != nil {
		return err
	}
	return table(out, cars, source)
}

func table(out io.Writer, cars []series, source string) error {
	all := variants(cars)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

	line("Readings as they are (%s)", source)
	line("tolerance\tcars\treadings\tbreaks\tjump flags\tstatic flags\t")
	for _, r := range honest(cars) {
		line("%s\t%d\t%d\t%d\t%d\t%d\t", r.tolerance, r.cars, r.readings, r.breaks, r.jumps, r.standing)
	}
	w.Flush()

	line("\nOne reading wrong (the series, and every 5th and 20th reading of the long ones)")
	line("error\tinjected\tcontradict nothing\tcontradict\tnamed\tlisted\tmissed\thonest named\ttruth in first three\t")
	sum := tally{name: "all slips"}
	row := func(t tally) {
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t", t.name, t.injected, t.silent, t.visible, t.named, t.listed, t.missed, t.wrong, t.repaired)
	}
	for _, t := range typos(all) {
		row(t)
		sum.add(t)
	}
	row(sum)
	row(strangers(all, 500))
	w.Flush()
	line("\nof 100 slips that contradict, named: %s; of 100 named, the truth among the first three: %s",
		percent(sum.named, sum.visible), percent(sum.repaired, sum.named))

	line("\nCounter turned back by 40,000 miles, at every place")
	line("readings to leave out for the sides to agree\tplaces\tunseen\tlevel shifted\tboth sides\tlow one named\thonest named\t")
	cuts := turned{name: "all places"}
	place := func(t *turned) {
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d\t", t.name, t.cuts, t.silent, t.sustained, t.bothSides, t.namedLow, t.namedHonest)
	}
	for _, t := range rollbacks(all).rows() {
		place(t)
		cuts.add(*t)
	}
	place(&cuts)
	return w.Flush()
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d.%d", n*100/of, n*1000/of%10)
}
