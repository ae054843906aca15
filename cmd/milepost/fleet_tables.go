package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/xuri/excelize/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/fleet"
)

// table is one table of a fleet's figures: a CSV file, or a sheet.
type table struct {
	name    string
	columns []string
	rows    [][]any // text, int, int64, *int64, bool or hundredths
}

// hundredths is an exact decimal number with two decimals.
type hundredths int64

func (h hundredths) String() string {
	if h < 0 {
		return "-" + (-h).String()
	}
	return fmt.Sprintf("%d.%02d", int64(h)/100, int64(h)%100)
}

// hours of downtime, to hundredths.
func hours(seconds int64) hundredths { return hundredths((seconds + 18) / 36) }

// fleetTables lays a report out in tables, with a column of costs for each
// currency in it.
func fleetTables(r *fleet.Report) []table {
	currencies := slices.Sorted(maps.Keys(r.Total.Cost))
	work := []string{"visits", "lines", "hours"}
	for _, c := range currencies {
		work = append(work, "cost "+c)
	}
	work = append(work, "costs not opened")
	of := func(w *fleet.Work) []any {
		cells := []any{w.Visits, w.Lines, hundredths(w.Hours100)}
		for _, c := range currencies {
			cells = append(cells, hundredths(w.Cost[c]))
		}
		return append(cells, w.Unopened)
	}
	vehicles := table{name: "vehicles", columns: slices.Concat([]string{"label", "vin", "refused", "make", "model", "records", "km", "read on"}, work,
		[]string{"down hours", "next service", "at km", "overdue", "marks"})}
	for i := range r.Vehicles {
		v := &r.Vehicles[i]
		row := append([]any{v.Label, v.VIN, v.Refused, v.Make, v.Model, v.Records, v.KM, v.Read}, of(&v.Work)...)
		vehicles.rows = append(vehicles.rows, append(row, hours(v.DownSeconds), v.NextDay, v.NextKM, v.Overdue, v.Marks))
	}
	tables := []table{vehicles}
	for _, g := range []struct {
		name, first string
		rows        []fleet.GroupRow
	}{{"years", "year", r.Years}, {"models", "model", r.Models}, {"work_types", "work type", r.Work}, {"part_groups", "part group", r.Parts}} {
		t := table{name: g.name, columns: slices.Concat([]string{g.first, "repairs", "vehicles"}, work)}
		for i := range g.rows {
			row := &g.rows[i]
			t.rows = append(t.rows, append([]any{row.Group, row.Repairs, row.Vehicles}, of(&row.Work)...))
		}
		tables = append(tables, t)
	}
	due := table{name: "services_due", columns: []string{"label", "vin", "what", "overdue", "day", "km"}}
	for _, d := range r.Due {
		due.rows = append(due.rows, []any{d.Label, d.VIN, d.What, d.Overdue, d.Day, d.KM})
	}
	tables = append(tables, due)
	for _, open := range []struct {
		name string
		rows []fleet.CaseRow
	}{{"open_recalls", r.Recalls}, {"open_claims", r.Claims}} {
		t := table{name: open.name, columns: []string{"label", "vin", "campaign", "since", "state", "overdue"}}
		for _, c := range open.rows {
			t.rows = append(t.rows, []any{c.Label, c.VIN, c.Campaign, c.Since, c.State, c.Overdue})
		}
		tables = append(tables, t)
	}
	return tables
}

// cellText writes a cell as text.
func cellText(v any) string {
	switch v := v.(type) {
	case *int64:
		if v == nil {
			return ""
		}
		return fmt.Sprint(*v)
	case bool:
		return map[bool]string{true: "yes"}[v]
	}
	return fmt.Sprint(v)
}

// guarded is a text that a spreadsheet doesn't run: order numbers and labels
// are others' words, and one that begins like a formula would be taken for it.
func guarded(v any) string {
	s := cellText(v)
	if _, text := v.(string); text && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func writeTables(dir string, tables []table) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.New("file", dir, "it cannot be made").Because(errors.Unwrap(err))
	}
	for _, t := range tables {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Write(t.columns)
		for _, row := range t.rows {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = guarded(v)
			}
			w.Write(cells)
		}
		w.Flush() // into memory: it can't fail
		if err := writeFile(filepath.Join(dir, t.name+".csv"), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// workbook writes tables as sheets. Numbers are numbers there, and text is
// text whatever it begins with.
func workbook(tables []table) ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		if i == 0 {
			err = f.SetSheetName("Sheet1", t.name)
		} else {
			_, err = f.NewSheet(t.name)
		}
		if err == nil {
			err = sheet(f, &t, bold)
		}
		if err != nil {
			return nil, fmt.Errorf("write the sheet %s: %w", t.name, err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		return nil, fmt.Errorf("write the workbook: %w", err)
	}
	return b.Bytes(), nil
}

func sheet(f *excelize.File, t *table, header int) error {
	w, err := f.NewStreamWriter(t.name)
	if err != nil {
		return err
	}
	if err := w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	var names []any
	for _, c := range t.columns {
		names = append(names, excelize.Cell{StyleID: header, Value: c})
	}
	if err := w.SetRow("A1", names); err != nil {
		return err
	}
	for i, row := range t.rows {
		cells := make([]any, len(row))
		for j, v := range row {
			switch v := v.(type) {
			case *int64:
				if v != nil {
					cells[j] = *v
				}
			case hundredths:
				cells[j] = float64(v) / 100
			case bool:
				cells[j] = cellText(v)
			default:
				cells[j] = v
			}
		}
		if err := w.SetRow(fmt.Sprintf("A%d", i+2), cells); err != nil {
			return err
		}
	}
	return w.Flush()
}

// fleetLines is how many rows of a table a person is shown.
const fleetLines = 10

// showFleet writes a fleet's figures for a person: the sums, and of each
// table what stands out.
func showFleet(out io.Writer, r *fleet.Report, tables []table) error {
	period := ""
	if r.From != "" || r.To != "" {
		period = ", visits from " + cmp.Or(r.From, "the first") + " to " + cmp.Or(r.To, "the last")
	}
	fmt.Fprintf(out, "%d vehicles as of %s%s: %s visits, %s hours of work, %s hours in workshops\n",
		len(r.Vehicles), r.AsOf, period, record.Thousands(int64(r.Total.Visits)), hundredths(r.Total.Hours100), hours(r.Down))
	if text := r.Total.Cost.Text(); text != "" {
		fmt.Fprintf(out, "cost: %s\n", text)
	}
	if n := r.Total.Unopened; n > 0 {
		fmt.Fprintf(out, "%s lines commit to a cost that no opening shows\n", record.Thousands(int64(n)))
	}
	if r.Refused > 0 {
		fmt.Fprintf(out, "%d vehicles may not be read: see the column refused\n", r.Refused)
	}
	for i := range tables {
		t := &tables[i]
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s", strings.ReplaceAll(t.name, "_", " "))
		if n := len(t.rows); n > fleetLines {
			fmt.Fprintf(out, " (%d of %s; --csv, --xlsx and --json have all)", fleetLines, record.Thousands(int64(n)))
		}
		fmt.Fprintln(out)
		if err := t.show(out); err != nil {
			return err
		}
	}
	return nil
}

// show aligns the first rows of a table, without columns that are all empty.
func (t *table) show(out io.Writer) error {
	rows := t.rows[:min(fleetLines, len(t.rows))]
	var keep []int
	for j := range t.columns {
		if slices.ContainsFunc(rows, func(row []any) bool { s := cellText(row[j]); return s != "" && s != "0" }) {
			keep = append(keep, j)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cell func(j int) string) {
		var cells []string
		for _, j := range keep {
			cells = append(cells, cell(j))
		}
		fmt.Fprintln(w, "  "+strings.Join(cells, "\t"))
	}
	line(func(j int) string { return t.columns[j] })
	for _, row := range rows {
		line(func(j int) string { return cellText(row[j]) })
	}
	return w.Flush()
}
