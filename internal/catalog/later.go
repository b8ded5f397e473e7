package catalog

// What the catalog will hold one day. An owner who writes it is told so by
// name, which is clearer than "unknown key".
var (
	laterSections = map[string]string{
		"routes": "routes are not built yet; a channel's own assistant answers",
		"desks":  "desks are not built yet",
		"access": "access policies are not built yet; every channel is open",
		"queues": "queues are not built yet",
		"tokens": "tokens are not built yet",
	}
	laterKinds = map[string]string{
		"llm":      "assistants of kind llm are not built yet; there is: flow",
		"function": "assistants of kind function are not built yet; there is: flow",
	}
	laterTypes = map[string]string{
		"mattermost":         "channels of type mattermost are not built yet; there is: rtm",
		"mattermost-webhook": "channels of type mattermost-webhook are not built yet; there is: rtm",
		"custom":             "channels of type custom are not built yet; there is: rtm",
	}
	laterChannelKeys = map[string]string{
		"access": "access policies are not built yet; every channel is open",
	}
)

var (
	sectionKeys   = []string{"assistants", "channels"}
	assistantKeys = []string{"kind", "definition"}
)
