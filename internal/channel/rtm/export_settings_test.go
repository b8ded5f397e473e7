package rtm

import (
	"encoding/json"
	"testing"

	"parley/internal/channel"
)

// What is exported must settle to the very same body.
func TestExportSettlesToTheSame(t *testing.T) {
	const key = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u\n+qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyeh\nkd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ\n0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIKdg\ncKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbc\nmwIDAQAB\n-----END PUBLIC KEY-----"
	encoded, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{}`,
		`{"bot":{"id":"st-1","name":"Front ${Desk}","icon":"https://x.example/i.png"},"apps":[{"id":"cs-1","secret":"s-e-c","token_life":"90m","single_use_jwt":true},{"id":"cs-2","algorithms":["HS256"],"origins":["https://a.example"]}]}`,
		`{"apps":[{"id":"cs-rsa","public_key":` + string(encoded) + `},{"id":"cs-both","secret":"x","public_key":` + string(encoded) + `}]}`,
	} {
		first := settle(t, text, nil)
		settings, err := Kind{}.Export(channel.Configured{ID: first.ID, Body: first.Body})
		if err != nil {
			t.Fatal(err)
		}
		for _, app := range settings["apps"].([]any) {
			app := app.(map[string]any)
			ref, has := app["secret"].(channel.SecretRef)
			value, sealed := first.Secrets[string(ref)]
			if has != sealed {
				t.Errorf("%s: app %v: exported a secret: %v, holds one: %v", text, app["id"], has, sealed)
			}
			if has {
				app["secret"] = value
			}
		}
		written, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		for name, stored := range map[string][]byte{"again": first.Body, "elsewhere": nil} {
			if second := settle(t, string(written), stored); string(second.Body) != string(first.Body) {
				t.Errorf("%s\nfirst %s\n%s %s", text, first.Body, name, second.Body)
			}
		}
	}
	if _, err := (Kind{}).Export(channel.Configured{Body: []byte("{")}); err == nil {
		t.Error("a torn body was exported")
	}
}
