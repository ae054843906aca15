package importer

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// ParseVehicles reads what a person says of the vehicles in a file, each as
// LABEL=VIN, or as one VIN alone for a file that has no vehicle column, into
// Options.Vehicles. Two labels may mean one vehicle. The error's code is
// vin_form for a bad VIN, import_vehicle otherwise.
func ParseVehicles(flags []string) (map[string]record.VIN, error) {
	vehicles := map[string]record.VIN{}
	for _, f := range flags {
		label, text := "", f
		if i := strings.LastIndexByte(f, '='); i >= 0 {
			label, text = strings.TrimSpace(f[:i]), f[i+1:]
			if label == "" {
				return nil, fault.New("import_vehicle", "", fmt.Sprintf("%.60q names no vehicle before the =", f))
			}
		}
		vin, err := record.ParseVIN(text)
		if err != nil {
			return nil, err
		}
		if _, twice := vehicles[label]; twice {
			return nil, fault.New("import_vehicle", "", fmt.Sprintf("two VINs are given for the vehicle %.60q", label))
		}
		vehicles[label] = vin
	}
	if _, alone := vehicles[""]; alone && len(vehicles) > 1 {
		return nil, fault.New("import_vehicle", "", "a VIN alone is for a file of one vehicle, and others are named beside it").
			WithHint("say NAME=VIN for each vehicle")
	}
	return vehicles, nil
}
