package setting

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Encode writes the body that is stored for a channel of the kind: compact,
// with sorted keys and without HTML escaping. Its errors name the kind.
func Encode(kind string, body any) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("encode %s settings: %w", kind, err) }
	first, err := json.Marshal(body)
	if err != nil {
		return fail(err)
	}
	// A map's keys are written sorted, a struct's are not. A number stays as it
	// is written: a float64 would round a large one.
	var tree any
	dec := json.NewDecoder(bytes.NewReader(first))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return fail(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return fail(err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// Stored reads a stored body of the kind. Its errors name the kind; the body is
// our own, so they are not the owner's to mend.
func Stored[Body any](kind string, body []byte) (Body, error) {
	var b Body
	if err := json.Unmarshal(body, &b); err != nil {
		var none Body
		return none, fmt.Errorf("read %s settings: %w", kind, err)
	}
	return b, nil
}
