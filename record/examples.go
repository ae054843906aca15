package record

// What examples share. The keys belong to nobody: they were made for these
// pages, and nothing that they sign is on any log.
const (
	exampleVIN    = "1N4AZ0CP1DC900001"
	exampleOther  = "1N4AZ0CP1DC900002"
	exampleHash   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	exampleHashB  = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	exampleB64    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	examplePop    = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
	exampleOrigin = "milepost.example/demo/f317acc252d1e8468e735683ae90d61614f4301f"

	exampleGovernors = `[{"key":"assoc.example+74739e23+AYsH4Kdcw1XqtDqX+27xMj94zno22ONZqGVyTEa2v4Zm","name":"assoc.example"},{"key":"maker.example+aa4aaf97+AcPc9Uam487tox0AhMo6IMfK4F/6HnnvwCcIncLCG4Y7","name":"maker.example"}]`

	// A node's fields, but for what stands between its id and its TLS key.
	exampleNode = `"address":"east.example:7400","cosigner_key":"` + exampleCosigner + `","id":"east",` +
		`"log_key":"` + exampleOrigin + `+0e35ddcf+AYFPyz1Ycw+BNABNK5b0+Muq0U1NoAK4XyyuDPTysmdi","member":"dealer.example/lyon",`
	exampleTLS = `"tls_key":"302a300506032b65700321009947428c69e8c5d89d80cd9f6e80763beffc5a96b32d157c02fc9515b2525186"`

	exampleRules = `"rights":[{"read":["V"],"type":"odometer.reading/1","write":["DLR"]}],"types":["odometer.reading/1"],"version":1}`

	exampleCosigner = exampleOrigin + "/node/east+05d6a12f+" +
		"BjcKMskudO+F2rxGzG2fYBsnaetyLL7WSlEb8iPYW3VMzq8M1tH43XvBMoXOv9EGlh0Wi/4xb1de8z2FOfUMzqH+a8bwKu8RhkfA" +
		"TbOkcpybNHhgHWF39ccrDYY9SDN5YFGGJRtl9xpVvquvCa8S05I8tMkdBUSYcJtBj9yJmxnSKbTW0+oekxvUidy5wLRqaFIHp3Eo" +
		"Xr4QbVtYAoInAUmnrpivKXUpKVcD0saN7/3HggV1hzzIe7VCQaVd3FnOR4kvY47nk1VB984HeV2d4DYXzvBMKdh1lVMcqb3byene" +
		"xytx2XbH21oyjkgsoUO/8LBZMflrGKg44Ew9hhgCgoct2Zt4DtmhLHaiRqVKCXaZ7HMZMfQS/bujbyHmtYQZHhnWtzxGs8rFetW4" +
		"a32D/dxaogqT2AUN1vyPtby1cuqMPlEJ7VNL2maLYRTffgTinUk+6ZezxT2UrI/9RsYyrvbm+L97TGrA/Sosk6tFGPMkAKu9s7pv" +
		"EW2eoaTY6svRbxbK/U2XQYFkMqHr0uF2C4/oCA5mAeaSIceyqvXUsFz161w3FY1x97BppjZSRmZ0k/cz38Q5lCrriILhWttG8M/0" +
		"4uC3oi1r/ToUeO/viH7f3jAefaPy0Atxt72Pky36yyewdv1bWuMfkDedkn5hWcY0UdfV/V0mRWFzRpltQDY1rLinxbQqZ1MNT8F7" +
		"iK72CErrs4lCSDfIPCXc8tPo7+GRycp5gQWBhmHeGcFwHRTca1klCBwcE+3ZhAqe2PLZirNXSVvFnT/Nl+RUZhTXdT2IcUT0014z" +
		"qzjW9cqr4vQFc/LU2z9qt7zppJwWYUNBTMW/xBZn5PVk4a5XfVH8ECSRuQjBgmqvXpaP+lGlV9gYS7fKRXbWmsodG4byhxvTxiH/" +
		"/RY1v9YdKlCB6aHNSYKgYHXWgX+4rV3byWWRvZN5L3aaAtAYw0G3/jk4tULO3gA8fQ6iHZSPxArU/hsljps9cI34EmKN7UZMwmmz" +
		"yB2WIyl2D0LDHukz/ZVy2GEW4Va8tk+eh3hNNWrZQtxqtEQWIFYnE+qBhHBIjkrvpqYX7CKJa7pbVjyZpLxAZhvzxyqJJS4dF7oi" +
		"iokrSr8M43KlrwTctiSkam3cgRRiXNindhyu8YwwhXdmw6S6BLRBIAF9G0gqg8J/TnnZp3H2emLameU+FzJ1dPy2eSdtD9PYSY+B" +
		"PTQiBkDHSqesuDZv6WJQQVt10b4AnA0J9YLEk6YeqnhDGIFbEq5665gu1VaGwDMdIvWM+hDoRcU1VrqrNERmeQiqbaEzAdYIZ+so" +
		"x2FXZ5G0vqfYcsxidyTgDRgXVeidKIdwEi5ddzDZPR83lmcOZSm9KbWca/r29LkBoOIDp58JN7pPolWhp+rpd9fXwasx/srRS7BK" +
		"4VKf/HvWZ7XU8QKXcrWtfVbFibuybCEl+VR77vfvEAEq9GaqmP8Ua8MfqNGzM67kRQS6Oc0MbrCcaspBO8FYFa879Cr9s1xW1sEq" +
		"2nx9rtJ9p6KqvxoTFjIyi2i3DHsWjjhEDmtQXGvysMqOKSqF1Gqn5eB3hdux5xk18gtSUKDs06zbHaRT6Q5D0+osVUE1/MoAaL20" +
		"6JZ6CgmNzZgvQz9ZGEBMnIBqkxNeF/7NDWYar+IvTUBUko69yajwaX3AkqOqVckgnieJrS32Fmpl1I8o+ASfG/It81S/kF8FK9DK" +
		"bvWtxAN9XjCOStkCmK/uNoBaIFjytES4O2TPfj8dav47VrZDz6E="

	// The note of an odometer.reading/1, as record.reattributed/1 carries it.
	exampleNote = "" +
		"bWlsZXBvc3QvcmVjb3JkQHYxCnsiYXV0aG9yIjoiZGVhbGVyLmV4YW1wbGUvbHlvbiIsImJvZHkiOnsicHJlY2lzaW9uIjoiZXhh" +
		"Y3QiLCJwdXJwb3NlIjoic2VydmljZV9pbiIsInJlc3VsdCI6InJlYWQiLCJzb3VyY2UiOiJ2aXN1YWwiLCJ1bml0IjoiS01UIiwi" +
		"dmFsdWUiOjMxNDUwfSwiY2FwdHVyZWRfdGltZSI6IjIwMjYtMDUtMDRUMDg6MjA6MTFaIiwiZXZlbnRfcHJlY2lzaW9uIjoibWlu" +
		"dXRlIiwiZXZlbnRfdGltZSI6IjIwMjYtMDUtMDRUMTA6MTI6MDArMDI6MDAiLCJpZCI6IjAxOTdhM2YyLTc5YjAtN2NjMy05OGM0" +
		"LWRjMGMwYzA3Mzk4ZiIsIm9yaWdpbiI6Im1pbGVwb3N0LmV4YW1wbGUvZGVtby9mMzE3YWNjMjUyZDFlODQ2OGU3MzU2ODNhZTkw" +
		"ZDYxNjE0ZjQzMDFmIiwic3ViamVjdHMiOlsidmVoaWNsZS8xTjRBWjBDUDFEQzkwMDAwMSJdLCJ0eXBlIjoib2RvbWV0ZXIucmVh" +
		"ZGluZy8xIn0KCuKAlCBkZWFsZXIuZXhhbXBsZS9seW9uIDJQeEw3OGkxUEwyQXRqMmkyRkRPQ1NHN1BCdlRMYWh0MEdqVDUvVE9E" +
		"ZnhZQUQvOER2Smh4L0hjV2Zxb2lta2VUYlh0M3kvczJNenpWY01rY3pnU010d1hiQXc9Cg=="
)
