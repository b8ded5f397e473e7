package rtm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"parley/internal/fault"
)

const (
	// maxBody bounds request bodies, in bytes.
	maxBody = 1 << 20
	// maxFields bounds the fields of a form.
	maxFields = 1000
)

// requestBody is what grant and start read of a body, in either of its forms.
type requestBody struct {
	Assertion     string
	Object        bool // the assertion was an object: the old anonymous grant
	Bot           string
	BotName       string
	Client        string
	Language      string
	Authorization string
}

// readBody reads a body of at most [maxBody] bytes. Which form it has is seen
// from its first character, since content types are missing or wrong in the
// field (iOS sends forms, some pages send JSON as text/plain).
func readBody(w http.ResponseWriter, r *http.Request) (requestBody, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return requestBody{}, fault.New(fault.TooLarge, "the body is larger than %d bytes", maxBody)
	case err != nil:
		return requestBody{}, fault.Wrap(err, fault.Invalid, "the body did not arrive whole")
	}
	return parseBody(r.Header.Get("Content-Type"), raw)
}

func parseBody(contentType string, raw []byte) (requestBody, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return requestBody{}, nil
	case raw[0] == '{':
		return parseJSONBody(raw)
	}
	if media, _, err := mime.ParseMediaType(contentType); err == nil && strings.HasSuffix(media, "json") {
		return requestBody{}, fault.New(fault.Invalid, "the body is not a JSON object")
	}
	return parseFormBody(raw)
}

func parseJSONBody(raw []byte) (requestBody, error) {
	var in struct {
		Assertion json.RawMessage `json:"assertion"`
		BotInfo   struct {
			TaskBotID     ifText `json:"taskBotId"`
			ID            ifText `json:"_id"`
			ChatBot       ifText `json:"chatBot"`
			Name          ifText `json:"name"`
			ChannelClient ifText `json:"channelClient"`
		} `json:"botInfo"`
		Language ifText `json:"language"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return requestBody{}, fault.Field(wrong.Field, "is a %s and should be an object", wrong.Value)
		}
		return requestBody{}, fault.Wrap(err, fault.Invalid, "the body is not valid JSON")
	}
	b := requestBody{
		Bot:      firstOf(string(in.BotInfo.TaskBotID), string(in.BotInfo.ID)),
		BotName:  firstOf(string(in.BotInfo.ChatBot), string(in.BotInfo.Name)),
		Client:   string(in.BotInfo.ChannelClient),
		Language: string(in.Language),
	}
	switch {
	case len(in.Assertion) == 0:
	case in.Assertion[0] == '{':
		b.Object = true
	default:
		if err := json.Unmarshal(in.Assertion, &b.Assertion); err != nil {
			return requestBody{}, fault.Field("assertion", "is not text; it holds the JWT")
		}
	}
	return b, nil
}

// parseFormBody reads the bracketed keys it needs by their full names, as iOS
// writes them (botInfo[taskBotId]=..), so that no nested structure is ever
// built from a stranger's keys.
func parseFormBody(raw []byte) (requestBody, error) {
	if bytes.Count(raw, []byte{'&'}) >= maxFields {
		return requestBody{}, fault.New(fault.TooLarge, "the form has more than %d fields", maxFields)
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return requestBody{}, fault.Wrap(err, fault.Invalid, "the body is neither JSON nor a form")
	}
	b := requestBody{
		Assertion:     form.Get("assertion"),
		Bot:           firstOf(form.Get("botInfo[taskBotId]"), form.Get("botInfo[_id]")),
		BotName:       firstOf(form.Get("botInfo[chatBot]"), form.Get("botInfo[name]")),
		Client:        form.Get("botInfo[channelClient]"),
		Language:      form.Get("language"),
		Authorization: form.Get("authorization"),
	}
	b.Object = b.Assertion == "" && form.Has("assertion[issuer]")
	return b, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
