package catalog

// What the catalog will hold one day. An owner who writes it is told so by
// name, which is clearer than "unknown key". A line goes when its part is built;
// nothing else depends on it.
var (
	laterSections = map[string]string{
		"routes": "routes are not built yet; a channel's own assistant answers",
		"desks":  "desks are not built yet",
		"access": "access policies are not built yet; until they are, everybody is answered",
		"queues": "queues are not built yet",
		"tokens": "API tokens are not part of a catalog; make one with parley token create",
	}
	laterKinds = map[string]string{
		"llm":      "assistants of kind llm are not built yet",
		"function": "assistants of kind function are not built yet",
	}
	laterTypes = map[string]string{
		"custom": "channels of type custom are not built yet",
	}
	laterChannelKeys = map[string]string{
		"access": "access policies are not built yet; until they are, everybody is answered",
	}
)

var (
	sectionKeys   = []string{"assistants", "channels"}
	assistantKeys = []string{"kind", "definition"}
)
