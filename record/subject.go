package record

import (
	"regexp"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Governance is the subject of the log's own history.
const Governance = "governance"

// VehicleSubject returns the subject of a vehicle's history.
func VehicleSubject(vin string) string { return "vehicle/" + vin }

// MemberSubject returns the subject of a member's history.
func MemberSubject(name string) string { return "member/" + name }

// NoticeSubject returns the subject of a member's notices.
func NoticeSubject(name string) string { return "notice/" + name }

var (
	shortForm    = regexp.MustCompile(`^[A-Z0-9-]{3,16}$`)
	campaignForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
)

// SubjectClass returns the first segment of a subject: governance, member,
// vehicle, workshop, access, campaign or notice; or why it is not a subject.
func SubjectClass(s string) (string, error) {
	class, rest, _ := strings.Cut(s, "/")
	ok := false
	switch class {
	case Governance:
		ok = s == Governance
	case "member", "notice":
		ok = certs.ValidName(rest)
	case "vehicle":
		if short, is := strings.CutPrefix(rest, "short/"); is {
			ok = shortForm.MatchString(short)
			break
		}
		fallthrough
	case "workshop", "access":
		if _, err := ParseVIN(rest); err != nil {
			return "", fault.New("subject", "", err.Error()).WithHint(fault.Hint(err))
		}
		ok = true
	case "campaign":
		ok = campaignForm.MatchString(rest)
	}
	if !ok {
		return "", fault.New("subject", "", quoteShort(s)+" is not the name of a history").
			WithHint("histories are vehicle/<VIN>, workshop/<VIN>, access/<VIN>, member/<name>, notice/<name>, campaign/<id> and governance")
	}
	return class, nil
}

// ParseVehicle returns the vehicle subject that a person means by a VIN, or
// by the short chassis number of an old-timer written as short/<number>.
func ParseVehicle(s string) (string, error) {
	if strings.HasPrefix(s, "short/") {
		s = VehicleSubject(s)
		_, err := SubjectClass(s)
		return s, err
	}
	if _, err := ParseVIN(s); err != nil {
		return "", err
	}
	return VehicleSubject(s), nil
}

// SubjectsOf names the histories that a record of the type belongs to, from
// its body, its author, and the vehicle and campaign, subjects vehicle/...
// and campaign/..., that it is about; "" if none is known. Where the type has
// alternatives it is the first.
func (t *Type) SubjectsOf(body jcs.Value, author, vehicle, campaign string) (subjects []string, err error) {
	for i, class := range t.Subjects {
		switch class {
		case Governance:
			subjects = append(subjects, class)
		case "member":
			subjects = append(subjects, MemberSubject(body.Get(t.Owner).Str))
		case "notice":
			subjects = append(subjects, NoticeSubject(author))
		case "campaign":
			if body.Has("campaign") {
				campaign = CampaignSubject(body.Get("campaign").Str)
			}
			if campaign == "" {
				return nil, fault.New("subject", "", t.Name+" is about a recall, and its campaign is not named").
					WithHint("name it with --campaign, or the case with --case")
			}
			subjects = append(subjects, campaign)
		default:
			if vehicle == "" {
				return nil, fault.New("subject", "", t.Name+" is about a vehicle, and none is named")
			}
			if to := body.Get("to_vehicle"); i > 0 && to.Kind != 0 {
				subjects = append(subjects, VehicleSubject(to.Str))
			} else if i == 0 || t.Subjects[0] != class {
				subjects = append(subjects, class+strings.TrimPrefix(vehicle, "vehicle"))
			}
		}
	}
	return subjects, nil
}
