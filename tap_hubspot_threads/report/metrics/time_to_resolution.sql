-- Time to resolution
-- Hours from the contact's first message to the last closing, whoever closed the thread, for
-- threads that are closed now. For a reopened thread, the time in which it was closed is
-- included. Threads without a message of the contact before the closing do not count, and
-- INCOMING mail of a colleague (A-) is not one. Threads that are archived, spam or not in
-- `threads` are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
closings AS (
    SELECT
        questions.thread,
        questions.inbox_id,
        questions.asked,
        GREATEST(MAX(threads."closedAt"), MAX(events."createdAt")) AS closed
    FROM questions
    JOIN threads ON threads.id = questions.thread
    LEFT JOIN messages AS events
        ON events."conversationsThreadId" = questions.thread
        AND events.type = 'THREAD_STATUS_CHANGE'
        AND events."newStatus" = 'CLOSED'
    WHERE threads.status = 'CLOSED'
    GROUP BY questions.thread, questions.inbox_id, questions.asked
),
resolutions AS (
    -- The epoch is the same with and without a time zone, and in every session.
    SELECT
        inbox_id,
        (EXTRACT(EPOCH FROM closed) - EXTRACT(EPOCH FROM asked)) / 3600 AS hours
    FROM closings
    WHERE closed > asked
)
SELECT
    COALESCE(inboxes.name, resolutions.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS resolved,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY resolutions.hours) AS median_hours,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY resolutions.hours) AS p90_hours
FROM resolutions
LEFT JOIN inboxes ON inboxes.id = resolutions.inbox_id
GROUP BY resolutions.inbox_id, inboxes.name
ORDER BY inbox, resolutions.inbox_id;
