/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a job is started, and what crashes and power cuts may do meanwhile.
 *
 * The engine decides and records, the supervisor forks and reaps, PID 1 of a job (the shim) waits at the barrier, executes,
 * and leaves a record. Between any two statements the engine may be killed, or the supervisor and the engine with it, or
 * the power may be cut, which leaves the ledger, and of the records what it likes. In all interleavings of that
 *
 *   - no job is executed twice, nor are more at once than there are slots;
 *   - what is called done has left a record; what is called lost does not run, and either the power was cut, or it has
 *     left no record;
 *   - when nothing happens any more, each job has a verdict, and no slot, cgroup or record is left.
 *
 * Each mutant (see `run`) takes one rule away, and is found out. Attempts have no numbers here: a job that is not
 * executed is the same again. */

#ifndef FAULTS
#define FAULTS 2
#endif
#define JOBS  2
#define SLOTS 1

mtype = { QUEUED, RUNNING, DONE, LOST };           /* what the ledger says of a job */
mtype = { NOTHING, PREPARED, NEVER, EXITED };      /* what its record says */
mtype = { GONE, WAITS, RUNS };                     /* what its shim does */
mtype = { OUT, WANTED, STARTING, STARTED, LEAVING }; /* where the scheduler has it: the last three hold a slot */
mtype = { START, RELEASE, ACK, ABORT };            /* what the engine says */
mtype = { SPAWNED, LIVES, ENDED, STOCK };          /* what the supervisor says */

mtype ledger[JOBS], record[JOBS]; /* outlive a power cut */

mtype shim[JOBS]; /* the kernel's */
bool leaf[JOBS], pipe_has_byte[JOBS];
byte pipe_writer[JOBS]; /* which supervisor has the other end */

bool is_on;
byte supervisor, engine; /* which one lives */
byte faults;
chan down = [6] of { mtype, byte };
chan up = [6] of { mtype, byte, mtype };

bool was_executed[JOBS], has_left_record[JOBS], had_power_cut; /* ghosts */
byte live;

#define IS_OVER(j) (ledger[j] == DONE || ledger[j] == LOST)

proctype Shim(byte j) {
end:
        do
#ifdef MUTANT_EOF_IS_GO
        :: atomic { shim[j] == WAITS && (pipe_has_byte[j] || pipe_writer[j] != supervisor) ->
#else
        :: atomic { shim[j] == WAITS && !pipe_has_byte[j] && pipe_writer[j] != supervisor ->
                record[j] = NEVER;
                shim[j] = GONE }
        :: atomic { shim[j] == WAITS && pipe_has_byte[j] ->
#endif
                assert(!was_executed[j]);
                was_executed[j] = true;
                live++;
                assert(live <= SLOTS);
                shim[j] = RUNS }
        :: atomic { shim[j] == RUNS ->
                record[j] = EXITED;
                has_left_record[j] = true;
                live--;
                shim[j] = GONE }
        od
}

/* To the engine that this supervisor serves; one that has died has left with its socket. */
inline say(type, about, what) {
        atomic { if :: served == engine -> up!type(about, what) :: else fi }
}

inline say_ended(about) {
        leaf[about] = false;
        is_told[about] = true;
        say(ENDED, about, record[about]);
#ifdef MUTANT_RECORD_GOES_EARLY
        record[about] = NOTHING;
#endif
}

#ifdef MUTANT_ORPHANS_STAY
#define IS_ORPHAN(j) false
#else
#define IS_ORPHAN(j) (is_known[j] && is_mine[j] && !is_released[j] && shim[j] == WAITS)
#endif

/* tenantqd. What it knows dies with it: the next one looks at the tree and at the records. */
active proctype Supervisor() {
        byte j, me, served;
        bool is_known[JOBS], is_told[JOBS], is_mine[JOBS], is_released[JOBS];

begin:
        is_on;
        d_step {
                me = supervisor;
                for (j : 0 .. JOBS - 1) {
                        is_known[j] = leaf[j] || record[j] != NOTHING;
                        is_told[j] = false;
                        is_mine[j] = false;
                        is_released[j] = false
                }
        }
        {
                skip;
serve:
                atomic { served = engine; j = 0 }
                /* What the engine before has not released may be recorded as running, or not: it is not released by
                 * this one, and its end is part of the stock. */
                do
                :: j == JOBS -> break
                :: j < JOBS && IS_ORPHAN(j) -> shim[j] = GONE
                :: j < JOBS && is_known[j] && shim[j] != GONE && !IS_ORPHAN(j) -> is_told[j] = false; say(LIVES, j, NOTHING); j++
                :: j < JOBS && is_known[j] && shim[j] == GONE -> say_ended(j); j++
                :: j < JOBS && !is_known[j] -> j++
                od;
                say(STOCK, 0, NOTHING);
end:
                do
                :: served != engine -> goto serve
                :: atomic { served == engine && down?[START, _] -> down?START(j) };
                        if
                        :: is_known[j] || leaf[j] /* the one before has its cgroup, or its record */
                        :: else ->
                                is_known[j] = true;
                                is_mine[j] = true;
                                is_released[j] = false;
                                is_told[j] = false;
                                leaf[j] = true;
                                record[j] = PREPARED;
                                atomic { pipe_has_byte[j] = false; pipe_writer[j] = me; shim[j] = WAITS }
                                say(SPAWNED, j, NOTHING)
                        fi
                :: atomic { served == engine && down?[RELEASE, _] -> down?RELEASE(j) };
                        if
                        :: is_known[j] && is_mine[j] && pipe_writer[j] == me ->
                                is_released[j] = true;
                                pipe_has_byte[j] = true
                        :: else
                        fi
                :: atomic { served == engine && down?[ABORT, _] -> down?ABORT(j) };
                        atomic { if :: shim[j] == WAITS -> shim[j] = GONE :: else fi }
                :: atomic { served == engine && down?[ACK, _] -> down?ACK(j) };
                        record[j] = NOTHING;
                        is_known[j] = false
                :: served == engine && is_known[0] && !is_told[0] && shim[0] == GONE -> say_ended(0)
                :: served == engine && is_known[1] && !is_told[1] && shim[1] == GONE -> say_ended(1)
                od
        } unless { supervisor != me };
        goto begin
}

#define LOSE(j) \
        atomic { assert(shim[j] != RUNS); assert(had_power_cut || !has_left_record[j]); ledger[j] = LOST }

/* What came to its end, recorded before it is acknowledged. */
inline on_ended(about, what) {
        if
        :: ledger[about] == RUNNING && what == EXITED -> assert(has_left_record[about]); ledger[about] = DONE
        :: ledger[about] == RUNNING && what == NEVER -> ledger[about] = QUEUED
        :: ledger[about] == RUNNING && (what == PREPARED || what == NOTHING) -> LOSE(about)
        :: else /* of a launch that was never released, or of which the verdict is there */
        fi;
        scheduled[about] = (ledger[about] == QUEUED -> WANTED : OUT);
        down!ACK(about)
}

#ifdef MUTANT_SLOT_OF_LEDGER /* who was released holds one, and who is on his way does not */
#define HOLDS(j) (scheduled[j] == STARTED)
#else
#define HOLDS(j) (scheduled[j] == STARTING || scheduled[j] == STARTED || scheduled[j] == LEAVING)
#endif
#define HAS_SLOT (!(HOLDS(0) || HOLDS(1)))

/* tenantq-engine. */
active proctype Engine() {
        byte j, me;
        mtype scheduled[JOBS], what;
        bool is_in_stock[JOBS];

begin:
        is_on;
        d_step {
                me = engine;
                what = NOTHING;
                for (j : 0 .. JOBS - 1) {
                        is_in_stock[j] = false;
                        scheduled[j] = (ledger[j] == QUEUED -> WANTED : (ledger[j] == RUNNING -> STARTED : OUT))
                }
        }
        {
                do
                :: up?STOCK(j, what) -> break
                :: up?ENDED(j, what) -> is_in_stock[j] = true; on_ended(j, what)
                :: up?LIVES(j, what) ->
                        is_in_stock[j] = true;
                        if
                        :: ledger[j] == RUNNING
                        :: else -> scheduled[j] = LEAVING; down!ABORT(j)
                        fi
                od;
                for (j : 0 .. JOBS - 1) {
                        if
                        :: ledger[j] == RUNNING && !is_in_stock[j] ->
#ifdef MUTANT_BLIND_RECOVERY
                                ledger[j] = QUEUED; scheduled[j] = WANTED
#else
                                LOSE(j); scheduled[j] = OUT
#endif
                        :: else
                        fi
                }
end:
                do
                :: atomic { up?[SPAWNED, _, _] -> up?SPAWNED(j, what) };
                        if
                        :: scheduled[j] == STARTING ->
#ifdef MUTANT_RELEASE_FIRST
                                down!RELEASE(j);
                                ledger[j] = RUNNING;
#else
                                ledger[j] = RUNNING;
                                down!RELEASE(j);
#endif
                                scheduled[j] = STARTED
                        :: else
                        fi
                :: atomic { up?[ENDED, _, _] -> up?ENDED(j, what) }; on_ended(j, what)
                :: atomic { scheduled[0] == WANTED && HAS_SLOT -> scheduled[0] = STARTING }; down!START(0)
                :: atomic { scheduled[1] == WANTED && HAS_SLOT -> scheduled[1] = STARTING }; down!START(1)
                od
        } unless { engine != me };
        goto begin
}

inline new_engine() {
        engine++;
        do
        :: nempty(down) -> down?_, _
        :: nempty(up) -> up?_, _, _
        :: empty(down) && empty(up) -> break
        od
}

inline new_supervisor() {
        supervisor++;
        new_engine()
}

inline cut_power() {
        
        had_power_cut = true;
        for (k : 0 .. JOBS - 1) {
                if :: shim[k] == RUNS -> live-- :: else fi;
                shim[k] = GONE;
                leaf[k] = false;
                if :: record[k] = NOTHING :: true fi
        }
}

init {
        byte k;
        atomic {
                for (k : 0 .. JOBS - 1) {
                        ledger[k] = QUEUED;
                        record[k] = NOTHING;
                        shim[k] = GONE;
                        run Shim(k)
                }
                is_on = true
        }
        do
        :: atomic { faults < FAULTS -> faults++; new_engine() }
        :: atomic { faults < FAULTS -> faults++; new_supervisor() }
        :: atomic { faults < FAULTS -> faults++; cut_power(); new_supervisor() }
        :: timeout -> break
        od;
        for (k : 0 .. JOBS - 1) {
                assert(IS_OVER(k));
                assert(!leaf[k] && record[k] == NOTHING && shim[k] == GONE)
        }
}
