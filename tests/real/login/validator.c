/*
 * Validates bearer tokens for a PostgreSQL 18 (manual, "OAuth Validator Modules"): a token is good for the user that
 * stands beside it in the file "tokens" of the data directory, one "TOKEN USER" a line.
 *
 * The server's headers are not needed: what a module shares with the server is declared here by its layout, which
 * the server holds against its own (the block of PG_FUNCTION_INFO, the magic number) before it calls anything.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The server's. */
extern char *pstrdup(const char *text);

typedef struct
{
	int size;
	struct
	{
		int major_times_100;
		int most_arguments;
		int most_index_keys;
		int name_length;
		int float8_by_value;
		char maker[32];
	} abi;
	const char *name;
	const char *version;
} Magic;

const Magic *Pg_magic_func(void);

const Magic *
Pg_magic_func(void)
{
	static const Magic magic = {sizeof(Magic), {1800, 100, 32, 64, 1, "PostgreSQL"}, NULL, NULL};

	return &magic;
}

typedef struct
{
	bool authorized;
	char *user;
} Verdict;

typedef struct
{
	uint32_t magic;
	void (*start) (void *state);
	void (*stop) (void *state);
	bool (*validate) (const void *state, const char *token, const char *role, Verdict *verdict);
} Callbacks;

static bool
validate(const void *state, const char *token, const char *role, Verdict *verdict)
{
	FILE *tokens = fopen("tokens", "r");
	static char line[70000];

	(void) state;
	(void) role;
	verdict->authorized = false;
	verdict->user = NULL;
	if (tokens == NULL)
		return false;
	while (!verdict->authorized && fgets(line, sizeof line, tokens) != NULL)
	{
		char *user = strchr(line, ' ');

		if (user == NULL)
			continue;
		*user++ = '\0';
		user[strcspn(user, "\n")] = '\0';
		if (strcmp(line, token) == 0)
		{
			verdict->authorized = true;
			verdict->user = pstrdup(user);
		}
	}
	fclose(tokens);
	return true;
}

const Callbacks *_PG_oauth_validator_module_init(void);

const Callbacks *
_PG_oauth_validator_module_init(void)
{
	static const Callbacks callbacks = {0x20250220, NULL, NULL, validate};

	return &callbacks;
}
