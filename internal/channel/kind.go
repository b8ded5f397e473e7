package channel

import (
	"encoding/json"

	"parley/internal/chat"
)

// Kind tells the catalog what a type of channel needs. A driver implements it
// beside its code, so that one folder owns the type's settings.
type Kind interface {
	// Name is what the catalog calls the type, such as "rtm".
	Name() string
	// Settle checks the settings an owner wrote (a JSON object without the
	// catalog's own keys type, assistant, disabled and access) and completes
	// them: ids and secrets that were left out are taken from stored or
	// generated. stored is the body in force, nil for a new channel. Errors are
	// fault.Invalid with the path of the field inside the settings, such as
	// "apps[0].secret"; unknown keys are refused with a suggestion.
	Settle(name string, given json.RawMessage, stored []byte) (Settled, error)
}

// Settled are checked and complete settings.
type Settled struct {
	// ID is the channel's id; it never changes while the name lives.
	ID chat.ChannelID
	// Body is what is stored, as JSON with sorted keys and without secrets, so
	// that equal settings are equal bytes.
	Body []byte
	// Secrets are values to seal, by secret id. A secret that stays as it is
	// stored is left out; one with an empty value is deleted.
	Secrets map[string]string
	// Shown are generated values the owner must see once.
	Shown []Shown
}

// Shown is a generated value with a label such as "secret of app cs-...".
type Shown struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Configured is one channel in force, as the catalog hands it to its driver.
type Configured struct {
	ID        chat.ChannelID
	Name      string
	Assistant string
	Disabled  bool
	// Body is what Settle returned.
	Body []byte
	// Secret opens a sealed value by id.
	Secret func(id string) (string, error)
}

// Driver runs the channels of one type.
type Driver interface {
	Kind
	// Prepare builds everything the given channels need and returns a function
	// that puts it in force. A failure leaves the old channels running.
	Prepare(channels []Configured) (apply func(), err error)
}
