package secret_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/internal/secret"
)

// An unsigned token, made for this test.
const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"

func TestRedact(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"json", `{"clientId":"cs-1","clientSecret":"abc"}`, `{"clientId":"cs-1","clientSecret":"[redacted]"}`},
		{"json with blanks", `{ "botToken" : "abc" , "n": 1 }`, `{ "botToken" : "[redacted]" , "n": 1 }`},
		{"json pretty", "{\n  \"token\":\n    \"abc\"\n}", "{\n  \"token\":\n    \"[redacted]\"\n}"},
		{"json escapes", `{"kmToken":"a\"b\\","x":"y"}`, `{"kmToken":"[redacted]","x":"y"}`},
		{"json number", `{"token":12345,"x":1}`, `{"token":"[redacted]","x":1}`},
		{"json last number", `[{"token":1},{"token":2}]`, `[{"token":"[redacted]"},{"token":"[redacted]"}]`},
		{"json null", `{"token":null,"secret":false}`, `{"token":null,"secret":false}`},
		{"json empty object", `{"botInfo":{},"token":{}}`, `{"botInfo":{},"token":{}}`},
		{"json object", `{"assertion":{"a":"}","b":[1]},"x":1}`, `{"assertion":"[redacted]","x":1}`},
		{"json list", `{"password":["a","b"]}`, `{"password":"[redacted]"}`},
		{"json in json", `{"body":"{\"access_token\":\"abc\",\"x\":\"y\"}"}`, `{"body":"{\"access_token\":\"[redacted]\",\"x\":\"y\"}"}`},
		{"json in json in json", `"{\"b\":\"{\\\"jwt\\\":\\\"abc\\\"}\"}"`, `"{\"b\":\"{\\\"jwt\\\":\\\"[redacted]\\\"}\"}"`},
		{"number in json in json", `{"body":"{\"token\":17}"}`, `{"body":"{\"token\":\"[redacted]\"}"}`},
		{"cut json", `{"token":"abc`, `{"token":"[redacted]`},
		{"cut object", `{"token":{"a":"b`, `{"token":"[redacted]"`},
		{"keys that only look similar", `{"tokens":512,"token_type":"bearer","author":"x","monkey":"y"}`, `{"tokens":512,"token_type":"bearer","author":"x","monkey":"y"}`},
		{"query", "GET /rtm?sid=abc&x=1&access_token=d.e-f", "GET /rtm?sid=[redacted]&x=1&access_token=[redacted]"},
		{"form", "botInfo[x]=1&assertion=abc", "botInfo[x]=1&assertion=[redacted]"},
		{"logfmt", `token=abc user=bob password="a b"`, `token=[redacted] user=bob password="[redacted]"`},
		{"dsn", "host=db password='a b' user=x", "host=db password='[redacted]' user=x"},
		{"go struct", "{Token:abc Name:x}", "{Token:[redacted] Name:x}"},
		{"go header", "map[Authorization:[Bearer abc] Accept:[*/*]]", "map[Authorization:[redacted] Accept:[*/*]]"},
		{"header", "Authorization: Basic Ym9iOmh1bnRlcjI=\nAccept: text/html", "Authorization: [redacted]\nAccept: text/html"},
		{"cookie", "Cookie: a=b; c=d\r\nHost: x", "Cookie: [redacted]\r\nHost: x"},
		{"kit header", "x-kit-access-token: abc", "x-kit-access-token: [redacted]"},
		{"yaml", "password: hunter2", "password: [redacted]"},
		{"bearer", "sent Bearer abc.def, got 401", "sent Bearer [redacted], got 401"},
		{"bearer small", "bearer  abc", "bearer  [redacted]"},
		{"bearer escaped", `"x\nBearer abc"`, `"x\nBearer [redacted]"`},
		{"bearer in a query", "h=bearer%20abc&y=1", "h=bearer%20[redacted]&y=1"},
		{"no bearer", "forbearer abc; the bearer", "forbearer abc; the bearer"},
		{"jwt", "error verifying " + jwt + ".", "error verifying [redacted]."},
		{"jwt in a list", "[" + jwt + "," + jwt + "]", "[[redacted],[redacted]]"},
		{"jwt after escape", `\n` + jwt, `\n[redacted]`},
		{"jwt protocol", "jwt|" + jwt, "jwt|[redacted]"},
		{"not a jwt", "eyJ keyJob", "eyJ keyJob"},
		{"api token", "token pat_ABCDEFGHIJKLMNOP234567 of ci", "token [redacted] of ci"},
		{"api token in a list", `["pat_ABCDEFGHIJKLMNOP234567"]`, `["[redacted]"]`},
		{"api token in an address", "/x/pat_ABCDEFGHIJKLMNOP234567/y", "/x/[redacted]/y"},
		{"no api token", "pat_answer xpat_ABCDEFGHIJKLMNOP234567", "pat_answer xpat_ABCDEFGHIJKLMNOP234567"},
		{"url password", "dial postgres://parley:pa@ss@db:5432/x: refused", "dial postgres://parley:[redacted]@db:5432/x: refused"},
		{"url password with slash", "parse postgres://parley:pa/ss@db/x", "parse postgres://parley:[redacted]@db/x"},
		{"url token", "https://ghp_0123456789abcdefgh@host/x", "https://[redacted]@host/x"},
		{"url user", "postgres://parley@db/x", "postgres://parley@db/x"},
		{"url plain", "http://host:8080/@bob and http://[::1]:80/a@b", "http://host:8080/@bob and http://[::1]:80/a@b"},
		{"hook", `Post "https://mm/hooks/ygsu7c7fnib7tcafpjm78z6a8h": EOF`, `Post "https://mm/hooks/[redacted]": EOF`},
		{"our callback", "POST /hooks/mattermost/Zk3-q_8JtW2mXv0aLrPd HTTP/1.1", "POST /hooks/mattermost/[redacted] HTTP/1.1"},
		{"no key of ours", "POST /hooks/mattermost/actions HTTP/1.1", "POST /hooks/mattermost/actions HTTP/1.1"},
		{"not a hook", "/hooks/incoming", "/hooks/incoming"},
		{"fault", "app.secret: is empty; give one", "app.secret: is empty; give one"},
		{"wrapped error", "refresh token: dial tcp 127.0.0.1:80: refused", "refresh token: dial tcp 127.0.0.1:80: refused"},
		{"punctuation inside", "password=a,b;c)d x", "password=[redacted] x"},
		{"punctuation after", "(token=abc), next", "(token=[redacted]), next"},
		{"nothing", "Здравствуйте: 1 = 1, see http://x/y?z=1", "Здравствуйте: 1 = 1, see http://x/y?z=1"},
		{"ends early", "token=", "token="},
		{"empty value", `token="" secret:""`, `token="" secret:""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := secret.Redact(tt.in)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if again := secret.Redact(got); again != got {
				t.Errorf("a second time gives %s", again)
			}
		})
	}
}

func TestRedactField(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"token", "abc", "[redacted]"},
		{"X-Api-Key", "abc", "[redacted]"},
		{"session.botToken", "abc", "[redacted]"},
		{"sid", "abc", "[redacted]"},
		{"token", "", ""},
		{"user", "abc", "abc"},
		{"", "password=x", "password=[redacted]"},
		{"body", `{"jwt":"x"}`, `{"jwt":"[redacted]"}`},
		{strings.Repeat("token", 100), "abc", "abc"},
	}
	for _, tt := range tests {
		if got := secret.RedactField(tt.name, tt.text); got != tt.want {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
}

// Texts that would take quadratic time in a careless scanner.
func TestRedactIsLinear(t *testing.T) {
	const size = 1 << 20
	for _, piece := range []string{"://", "://a:b/", "token=,", "token:[", `\`, `"token":{"a`, "eyJ.", ",;)", "Bearer ", "= ", "token:\\", "://a:b/@ "} {
		text := strings.Repeat(piece, size/len(piece))
		for _, text := range []string{text, "token={" + text, "x://" + text + "@"} {
			start := time.Now()
			secret.Redact(text)
			// Linear is a fraction of a second and quadratic an hour; the limit
			// is far from both, also on a busy machine.
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%d bytes of %q took %v", len(text), piece, took)
			}
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{`{"token":"x"}`, `{"a":"{\"token\":17}"}`, "Bearer x", jwt, "a://b:c@d", `token=[redacted]x`, `{"token":[1,"]"]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := secret.Redact(text)
		if twice := secret.Redact(once); twice != once {
			t.Errorf("once %q\ntwice %q", once, twice)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(once)) {
			t.Errorf("%q is no JSON any more: %q", text, once)
		}
	})
}

// FuzzRedactFinds puts a secret into every form that must be recognised,
// beside text that tries to hide it.
func FuzzRedactFinds(f *testing.F) {
	f.Add("before", "se\"cr\\et", "after")
	f.Add("://", "x", `"`)
	f.Fuzz(func(t *testing.T, before, value, after string) {
		needle := "Z9q7" + value + "7q9Z"
		object, err := json.Marshal(map[string]any{"a": before, "client_secret": needle, "z": after})
		if err != nil {
			t.Fatal(err)
		}
		nested, _ := json.Marshal(map[string]string{"body": string(object)})
		for _, text := range []string{
			string(object), string(nested), fmt.Sprintf("%q", object),
			"?a=" + url.QueryEscape(before) + "&access_token=" + url.QueryEscape(needle) + "&z=" + url.QueryEscape(after),
		} {
			if got := secret.Redact(text); strings.Contains(got, "Z9q7") || strings.Contains(got, "7q9Z") {
				t.Errorf("%q\nleaks %q", text, got)
			}
		}
	})
}

func BenchmarkRedactNothing(b *testing.B) {
	const text = `delivery 42 of leg 7 took 12ms, answer 200 from https://chat.example.com/api/v4/posts?x=1`
	b.ReportAllocs()
	for b.Loop() {
		secret.Redact(text)
	}
}
