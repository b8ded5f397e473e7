package mmtest

// initialConfig is the config.json of a new server; what it does not name has
// Mattermost's default. The server takes every config.json for that of an
// upgrade, so the session settings that a new installation has otherwise are
// named here.
func initialConfig() map[string]any {
	type section = map[string]any
	return section{
		"ServiceSettings": section{
			"AllowedUntrustedInternalConnections": "127.0.0.0/8 ::1/128 localhost",
			"EnableBotAccountCreation":            true,
			"EnableUserAccessTokens":              true,
			"EnableIncomingWebhooks":              true,
			"EnableOutgoingWebhooks":              true,
			"EnablePostUsernameOverride":          true,
			"EnablePostIconOverride":              true,
			// The server would fetch every link that is posted.
			"EnableLinkPreviews":                false,
			"EnableSecurityFixAlert":            false,
			"SessionLengthWebInHours":           720,
			"SessionLengthMobileInHours":        720,
			"ExtendSessionLengthWithActivity":   true,
			"TerminateSessionsOnPasswordChange": true,
		},
		"TeamSettings":      section{"EnableOpenServer": true, "MaxUsersPerTeam": 10000},
		"RateLimitSettings": section{"Enable": false},
		"EmailSettings":     section{"SendEmailNotifications": false, "SendPushNotifications": false},
		"LogSettings": section{
			"EnableConsole": true, "ConsoleLevel": "INFO", "ConsoleJson": true,
			"EnableFile": false, "EnableDiagnostics": false, "EnableSentry": false,
		},
		"AnnouncementSettings": section{"AdminNoticesEnabled": false, "UserNoticesEnabled": false},
		"PluginSettings":       section{"Enable": false},
		// With jobs on, an early stop takes up to 15 seconds.
		"JobSettings": section{"RunJobs": false, "RunScheduler": false},
	}
}

// merge puts the settings of from into to, section by section.
func merge(to, from map[string]any) {
	for key, value := range from {
		inner, isSection := value.(map[string]any)
		old, wasSection := to[key].(map[string]any)
		switch {
		case isSection && wasSection:
			merge(old, inner)
		case isSection:
			fresh := map[string]any{}
			merge(fresh, inner)
			to[key] = fresh
		default:
			to[key] = value
		}
	}
}
