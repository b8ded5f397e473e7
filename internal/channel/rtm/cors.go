package rtm

import "net/http"

// CORS lets pages of any origin call next, and answers preflights itself
// without asking for a token. No cookies are used here, so "*" gives nothing
// away; pages opened from a file send "Origin: null", which "*" covers.
// The headers are the ones web SDKs 10.1.12 to 11.26.0 were seen to name.
func CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-rtm-v, x-http-method-override, x-requested-with, accept, cache-control")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}
