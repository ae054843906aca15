package main

import (
	"bufio"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed testdata/*.txt
var files embed.FS

// reading is a mileage of a day, in the series' unit.
type reading struct {
	day   time.Time
	value int64
}

// series is one car's readings, by day.
type series struct {
	name, unit string
	readings   []reading
}

// quoted returns the real series that may be quoted; each file names its
// source and licence.
func quoted() ([]series, error) {
	var all []series
	for _, name := range []string{"testdata/tundra.txt", "testdata/uk.txt"} {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the series: %w", err)
		}
		cars, err := parse(string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, cars...)
	}
	return all, nil
}

func parse(text string) (cars []series, err error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		var r reading
		var day string
		switch f := strings.Fields(line); {
		case len(f) == 0 || f[0] == "#":
			continue
		case f[0] == "car" && len(f) == 3:
			cars = append(cars, series{name: f[1], unit: f[2]})
			continue
		case len(cars) == 0:
			return nil, fmt.Errorf("%q stands before the first car", line)
		}
		if _, err := fmt.Sscanf(line, "%s %d", &day, &r.value); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if r.day, err = time.Parse(time.DateOnly, day); err != nil {
			return nil, err
		}
		c := &cars[len(cars)-1]
		c.readings = append(c.readings, r)
	}
	return cars, lines.Err()
}

// nissans reads the three cars that are no part of the project: their licence
// lets them be used, and not be quoted here. The error is fs.ErrNotExist
// where the folder is absent.
func nissans(dir string) (cars []series, err error) {
	f, err := os.Open(filepath.Join(dir, "nissan_3cars_fuelups_miles.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		if len(cars) == 0 || cars[len(cars)-1].name != row[0] {
			cars = append(cars, series{name: row[0], unit: "SMI"})
		}
		var r reading
		if r.day, err = time.Parse(time.DateOnly, row[2]); err != nil {
			return nil, err
		}
		if _, err = fmt.Sscan(row[3], &r.value); err != nil {
			return nil, err
		}
		c := &cars[len(cars)-1]
		c.readings = append(c.readings, r)
	}
	return cars, nil
}

// generated returns three cars that are driven like the Nissans: a tank every
// week or two, at times two in a day, at times a month without.
func generated() (cars []series) {
	rng := rand.New(rand.NewPCG(2026, 11))
	for _, c := range []struct {
		name         string
		start, count int
	}{{"G1", 42_116, 14}, {"G2", 9_671, 356}, {"G3", 1_016, 179}} {
		s := series{name: c.name, unit: "SMI"}
		r := reading{time.Date(2012, 9, 27, 0, 0, 0, 0, time.UTC), int64(c.start)}
		for range c.count {
			s.readings = append(s.readings, r)
			days := 4 + rng.IntN(16)
			switch rng.IntN(20) {
			case 0:
				days = 0
			case 1:
				days = 30 + rng.IntN(30)
			}
			r = reading{r.day.AddDate(0, 0, days), r.value + 150 + rng.Int64N(250)}
		}
		cars = append(cars, s)
	}
	return cars
}

// load returns all series, and a word on where they are from.
func load(dir string) ([]series, string, error) {
	cars, err := quoted()
	if err != nil {
		return nil, "", err
	}
	more, err := nissans(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return append(generated(), cars...), "three generated cars stand in for the Nissans, whose readings are not part of the project", nil
	}
	return append(more, cars...), "real readings: three Nissans, a Tundra, four cars at the MOT", err
}

// every keeps each n-th reading.
func (s series) every(n int) series {
	out := series{name: fmt.Sprintf("%s/%d", s.name, n), unit: s.unit}
	for i := 0; i < len(s.readings); i += n {
		out.readings = append(out.readings, s.readings[i])
	}
	return out
}

// variants are the series, and the long ones thinned to such as a garage
// would see.
func variants(cars []series) []series {
	out := append([]series(nil), cars...)
	for _, s := range cars {
		for _, n := range []int{5, 20} {
			if len(s.readings) > 50 {
				out = append(out, s.every(n))
			}
		}
	}
	return out
}
