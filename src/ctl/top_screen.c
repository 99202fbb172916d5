/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <ncurses.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "ctl/columns.h"
#include "ctl/table.h"
#include "ctl/top.h"

/* Two views, the tenants and the jobs of one, each a table that is asked for anew when the time has
 * come and drawn whenever something has changed; what is selected stays so by its name, wherever
 * the next table has it. What is said on standard error meanwhile, as that no daemon answers, is
 * kept apart and shown above the table, which stays as it was until there is a newer one. */

enum { TENANTS, JOBS, N_VIEWS };

typedef struct View {
        const char *key;  /* the column that a row is known by */
        const char *sort; /* NULL: as it comes */
        TqTable table;
        size_t row, first; /* selected, and the topmost that is seen */
} View;

typedef struct Screen {
        Top *top;
        Options jobs; /* how they are asked for */
        View views[N_VIEWS];
        int view;
        char tenant[TQ_TENANT_TITLE_MAX]; /* whose jobs */
        bool shows_total;                 /* CPU time, not how much of a processor */
        bool shows_help;
        bool is_over;
        uint64_t due_usec;
        int said_fd;
        char said[512]; /* why the table is an old one */
} Screen;

#define LINE_HEADING 2 /* above it are what it is about, and what was said */
/* What is left out where there is no room: a bar, and limits, which the other one is drawn by. */
#define WIDE      120
#define NARROW    100
#define JOBS_MOST 100

static const struct {
        int key;
        const char *sort[N_VIEWS];
} sorts[] = {
        { 'p', { "tenant", "job" } },
        { 't', { "-pids", "-pids_peak" } },
        { 'c', { TOP_SORT, "-cpu_usec" } },
        { 'm', { "-memory_bytes", "-memory_bytes" } },
        { 'i', { "-io_bytes_per_sec", "-io_read_bytes" } },
};

static const char *const help[] = {
        "  p t c m i   sort by tenant (job), tasks, CPU, memory, I/O",
        "  %           CPU time used so far, or processors in use",
        "  + -         longer or shorter from one reading to the next",
        "  blank       read now",
        "  Up Down Page-Up Page-Down Home End   select a row",
        "  Enter       the jobs of the tenant;  Escape, Backspace: back",
        "  h ?         this;  q: end",
};

/* Readings ------------------------------------------------------------------------------------ */

static const char *key_of(const View *v, const TqTable *t, size_t row, char *buf) {
        ssize_t column = tq_table_find(t, v->key);

        buf[0] = '\0';
        return column < 0 || row >= t->n_rows
                       ? buf
                       : columns_format(FORMAT_COUNT, tq_table_cell(t, row, (size_t)column), buf);
}

/* Takes the newer table. */
static void replace(View *v, TqTable *fresh) {
        char selected[CELL_MAX], key[CELL_MAX];

        (void)key_of(v, &v->table, v->row, selected);
        for (size_t row = 0; row < fresh->n_rows; row++)
                if (strcmp(key_of(v, fresh, row, key), selected) == 0)
                        v->row = row;
        tq_table_done(&v->table);
        v->table = *fresh;
        *fresh = (TqTable){};
        v->row = TQ_MIN(v->row, v->table.n_rows > 0 ? v->table.n_rows - 1 : 0);
}

/* The first line of what went to standard error since the last time. */
static void hear(Screen *s) {
        static const char prefix[] = "tenantqctl: ";
        ssize_t n = pread(s->said_fd, s->said, sizeof(s->said) - 1, 0);

        s->said[TQ_MAX(n, 0)] = '\0';
        s->said[strcspn(s->said, "\n")] = '\0';
        if (strncmp(s->said, prefix, strlen(prefix)) == 0)
                memmove(s->said, s->said + strlen(prefix), strlen(s->said + strlen(prefix)) + 1);
        if (ftruncate(s->said_fd, 0) >= 0)
                (void)lseek(s->said_fd, 0, SEEK_SET);
}

static void update(Screen *s) {
        TQ_TABLE_CLEANUP TqTable fresh = {};
        View *v = &s->views[s->view];
        int r;

        if (s->view == JOBS)
                r = ps_list(&s->jobs, s->tenant, false, &fresh);
        else {
                s->top->bar = COLS < WIDE ? 6 : 10;
                r = top_read(s->top, &fresh);
        }
        if (r == 0 && v->sort && table_sort(&fresh, v->sort) == -ENOMEM)
                r = fail(TQ_EXIT_FAILURE, "out of memory");
        if (r == 0)
                replace(v, &fresh);
        hear(s);
        s->due_usec = tq_clock_monotonic_usec() + s->top->delay_usec;
}

/* Drawing ------------------------------------------------------------------------------------- */

/* line: has room for two bytes more. */
static void draw_line(int y, chtype look, char *line) {
        table_cut(line, COLS);
        (void)attrset((int)look);
        (void)mvaddstr(y, 0, line);
        (void)attrset(A_NORMAL);
}

static void draw_head(const Screen *s) {
        const View *v = &s->views[s->view];
        char line[1024], delay[TQ_FORMAT_MAX], cores[CELL_MAX], tenant[CELL_MAX];
        int64_t running = 0, waiting = 0, cpu = 0;

        (void)tq_format_span(s->top->delay_usec, delay, sizeof(delay));
        for (size_t row = 0; s->view == TENANTS && row < v->table.n_rows; row++) {
                running += tq_table_integer(&v->table, row, "running", 0);
                waiting += tq_table_integer(&v->table, row, "waiting", 0);
                cpu += tq_table_integer(&v->table, row, "cpu_permille", 0);
        }
        (void)columns_format(FORMAT_CORES, &(TqCell){ .type = TQ_CELL_INTEGER, .integer = cpu },
                             cores);
        if (s->view == TENANTS)
                (void)snprintf(line, sizeof(line) - 2,
                               "Tenants: %zu; %lld running, %lld waiting, CPU %s of %ld",
                               v->table.n_rows, (long long)running, (long long)waiting, cores,
                               sysconf(_SC_NPROCESSORS_ONLN));
        else
                (void)snprintf(line, sizeof(line) - 2, "Jobs of %s: %zu%s; Escape: back",
                               tq_format_shown(s->tenant, tenant, sizeof(tenant)), v->table.n_rows,
                               v->table.n_rows == s->jobs.rows ? " and perhaps more" : "");
        (void)snprintf(line + strlen(line), sizeof(line) - 2 - strlen(line),
                       "; every %s%s%s; h: help", delay, v->sort ? ", by " : "",
                       v->sort ? columns_get(v->sort + (v->sort[0] == '-')).title : "");
        draw_line(0, A_BOLD, line);
        (void)snprintf(line, sizeof(line) - 2, "%s", s->said);
        draw_line(1, A_STANDOUT, line);
}

static const char *columns_of(const Screen *s, char *buf, size_t size) {
        if (s->view == JOBS)
                return "job,name,queue,state,wait_reason,wait_usec,run_usec,cpu_usec,memory_bytes";
        (void)snprintf(buf, size,
                       "tenant,running,waiting,cpu_bar,%s,%sthrottled_permille,%smemory_bytes,%s"
                       "pids,cpu_pressure_permille,memory_pressure_permille,io_pressure_permille,"
                       "io_bytes_per_sec,oom_kills",
                       s->shows_total ? "cpu_usec" : "cpu_permille",
                       COLS < NARROW ? "" : "cpu_max_permille,", COLS < WIDE ? "" : "memory_bar,",
                       COLS < NARROW ? "" : "memory_max_bytes,");
        return buf;
}

static size_t rows_seen(void) {
        return LINES > LINE_HEADING + 1 ? (size_t)(LINES - LINE_HEADING - 1) : 1;
}

static void draw_table(const Screen *s, const View *v) {
        Options plain = s->view == JOBS ? s->jobs : *s->top->options;
        TQ_FREE char *text = NULL;
        char columns[512], line[4096];
        size_t n = 0;

        plain.sort = NULL;
        plain.no_headings = false;
        if (v->table.n_rows == 0 ||
            table_format(&plain, &v->table, columns_of(s, columns, sizeof(columns)), COLS, &text))
                return;
        /* Of the text: the headings, then the rows. */
        for (const char *p = text; *p != '\0'; n++) {
                size_t size = strcspn(p, "\n");
                bool is_heading = n == 0, is_selected = n == v->row + 1;

                if (is_heading || (n > v->first && n <= v->first + rows_seen())) {
                        (void)snprintf(line, sizeof(line) - 2, "%.*s",
                                       (int)TQ_MIN(size, sizeof(line) - 3), p);
                        draw_line(LINE_HEADING + (is_heading ? 0 : (int)(n - v->first)),
                                  is_heading    ? A_BOLD
                                  : is_selected ? A_REVERSE
                                                : A_NORMAL,
                                  line);
                }
                p += size + (p[size] == '\n');
        }
}

static void draw(Screen *s) {
        View *v = &s->views[s->view];
        char line[128];

        v->first = TQ_MIN(v->first, v->row);
        if (v->row >= v->first + rows_seen())
                v->first = v->row - rows_seen() + 1;
        (void)erase();
        draw_head(s);
        if (s->shows_help)
                for (size_t i = 0; i < TQ_ELEMENTSOF(help); i++) {
                        (void)snprintf(line, sizeof(line) - 2, "%s", help[i]);
                        draw_line(LINE_HEADING + (int)i, A_NORMAL, line);
                }
        else
                draw_table(s, v);
        (void)refresh();
}

/* Keys ---------------------------------------------------------------------------------------- */

static void select_row(View *v, int64_t by) {
        int64_t row = (int64_t)v->row + by, last = (int64_t)v->table.n_rows - 1;

        v->row = (size_t)TQ_MAX(TQ_MIN(row, last), INT64_C(0));
}

static void enter(Screen *s) {
        View *v = &s->views[TENANTS];
        const char *name = tq_table_text(&v->table, v->row, "tenant");

        if (s->view != TENANTS || !name)
                return;
        (void)snprintf(s->tenant, sizeof(s->tenant), "%s", name);
        s->view = JOBS;
        v = &s->views[JOBS];
        tq_table_done(&v->table);
        v->row = 0;
        s->due_usec = 0;
}

static void leave(Screen *s) {
        if (s->view == TENANTS)
                return;
        s->view = TENANTS;
        s->due_usec = 0;
}

/* As systemd-cgtop(1): by quarters of a second, from one second on by seconds. */
static void change_delay(Top *t, bool is_longer) {
        uint64_t usec = t->delay_usec;
        uint64_t step = usec < TQ_USEC_PER_SEC || (usec == TQ_USEC_PER_SEC && !is_longer)
                                ? TQ_USEC_PER_SEC / 4
                                : TQ_USEC_PER_SEC;

        t->delay_usec = is_longer ? TQ_MIN(usec + step, TOP_DELAY_MOST_USEC)
                                  : TQ_MAX(tq_sub_u64(usec, step), TQ_USEC_PER_SEC / 4);
}

static void sort_by(Screen *s, int key) {
        View *v = &s->views[s->view];

        for (size_t i = 0; i < TQ_ELEMENTSOF(sorts); i++)
                if (sorts[i].key == key) {
                        v->sort = sorts[i].sort[s->view];
                        (void)table_sort(&v->table, v->sort);
                        v->row = v->first = 0;
                }
}

static void on_key(Screen *s, int key) {
        View *v = &s->views[s->view];

        if (s->shows_help && key != KEY_RESIZE) {
                s->shows_help = false;
                return;
        }
        switch (key) {
        case 'q':
                s->is_over = true;
                break;
        case 'h':
        case '?':
                s->shows_help = true;
                break;
        case ' ':
                s->due_usec = 0;
                break;
        case '%':
                s->shows_total = !s->shows_total;
                break;
        case '+':
        case '-':
                change_delay(s->top, key == '+');
                break;
        case '\n':
        case '\r':
        case KEY_ENTER:
                enter(s);
                break;
        case '\x1b':
        case '\x7f':
        case '\b':
        case KEY_BACKSPACE:
                leave(s);
                break;
        case KEY_UP:
        case KEY_DOWN:
                select_row(v, key == KEY_UP ? -1 : 1);
                break;
        case KEY_PPAGE:
        case KEY_NPAGE:
                select_row(v, (key == KEY_PPAGE ? -1 : 1) * (int64_t)rows_seen());
                break;
        case KEY_HOME:
        case KEY_END:
                select_row(v, key == KEY_HOME ? INT32_MIN : INT32_MAX);
                break;
        default:
                sort_by(s, key);
        }
}

/* Until the next reading is due. */
static void hear_keys(Screen *s) {
        uint64_t now;

        while (!s->is_over && (now = tq_clock_monotonic_usec()) < s->due_usec) {
                int key;

                draw(s);
                timeout((int)((s->due_usec - now) / TQ_USEC_PER_MSEC) + 1);
                key = getch();
                if (key != ERR)
                        on_key(s, key);
                else if (!isatty(STDIN_FILENO)) /* it has gone: nothing can be waited for */
                        s->is_over = true;
        }
}

/* The terminal -------------------------------------------------------------------------------- */

/* What ncurses does for SIGTERM, it does not for these. */
static void on_signal(int sig) {
        (void)sig;
        (void)raise(SIGTERM);
}

static void listen_to_signals(void) {
        static const int signals[] = { SIGHUP, SIGQUIT };
        struct sigaction now;

        for (size_t i = 0; i < TQ_ELEMENTSOF(signals); i++)
                if (sigaction(signals[i], NULL, &now) >= 0 && now.sa_handler == SIG_DFL)
                        (void)signal(signals[i], on_signal);
}

static int open_terminal(SCREEN **ret) {
        *ret = newterm(NULL, stdout, stdin);
        if (!*ret)
                return fail(TQ_EXIT_FAILURE,
                            "TERM=%s: there is no such terminal; top -b prints plain text",
                            getenv("TERM"));
        (void)cbreak();
        (void)noecho();
        (void)nonl();
        (void)keypad(stdscr, TRUE);
        (void)curs_set(0);
        (void)set_escdelay(50);
        listen_to_signals();
        return 0;
}

static void run(Screen *s) {
        for (uint64_t i = 0; !s->is_over && (s->top->n == 0 || i < s->top->n); i++) {
                update(s);
                hear_keys(s);
        }
        for (size_t i = 0; i < N_VIEWS; i++)
                tq_table_done(&s->views[i].table);
}

/* What is said from here on is seen by no one else. */
static int run_apart(Screen *s) {
        TQ_CLOSE int stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        SCREEN *screen;
        int r;

        s->said_fd = memfd_create("said", MFD_CLOEXEC);
        if (stderr_fd < 0 || s->said_fd < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(errno));
        r = open_terminal(&screen);
        if (r != 0)
                return r;
        (void)dup2(s->said_fd, STDERR_FILENO);
        run(s);
        (void)dup2(stderr_fd, STDERR_FILENO);
        (void)endwin();
        delscreen(screen);
        return 0;
}

int top_screen(Top *t) {
        Screen s = { .top = t,
                     .jobs = { .socket = t->options->socket, .rows = JOBS_MOST },
                     .views = { [TENANTS] = { .key = "tenant", .sort = TOP_SORT },
                                [JOBS] = { .key = "job" } },
                     .said_fd = -EBADF };
        TQ_TABLE_CLEANUP TqTable first = {};
        TQ_FREE char *unused = NULL;
        int r = top_read(t, &first);

        /* Whether the columns are there is said before it begins. */
        if (r == 0)
                r = table_format(t->options, &first, TOP_COLUMNS, 80, &unused);
        if (r != 0)
                return r;
        if (t->options->sort)
                s.views[TENANTS].sort = t->options->sort;
        (void)usleep((useconds_t)TQ_MIN(t->delay_usec, TOP_FIRST_USEC));
        r = run_apart(&s);
        (void)tq_close(s.said_fd);
        return r;
}
