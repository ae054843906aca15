package judge

import (
	"testing"
)

// BenchmarkJudge500 judges a history of 500 readings, as it is and with one
// reading wrong in every fifty. The aim is 5 ms.
func BenchmarkJudge500(b *testing.B) {
	for name, wrong := range map[string]int{"honest": 0, "broken": 50} {
		var rs []row
		for i := range int64(500) {
			v := 20_000 + i*300
			if wrong > 0 && i%int64(wrong) == 7 {
				v *= 10
			}
			rs = append(rs, row{day: i * 7, value: v, author: "garage"})
		}
		h := rows(rs...)
		b.Run(name, func(b *testing.B) {
			for range b.N {
				Judge(h, ParamsOf(nil), 0)
			}
		})
	}
}
