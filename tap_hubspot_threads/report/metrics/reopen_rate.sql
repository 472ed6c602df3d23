-- Reopened threads
-- Of the threads that were ever closed, the share (0 to 1) that was opened again afterwards. A
-- thread counts once, however often it was reopened and whatever its status is now. It does not
-- matter who closed or reopened it, or whether the contact has written. Threads that are
-- archived, spam, not in `threads` or without a row in `messages` are left out. If `messages` has
-- no change of status at all, nothing is known of any thread, and there are no rows.
WITH closings AS (
    -- The first closing of each thread. It is null if its event is not loaded yet.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        threads.status,
        MIN(
            CASE
                WHEN history.type = 'THREAD_STATUS_CHANGE' AND history."newStatus" = 'CLOSED'
                    THEN history."createdAt"
            END
        ) AS closed
    FROM threads
    JOIN messages AS history ON history."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND EXISTS (SELECT 1 FROM messages WHERE messages.type = 'THREAD_STATUS_CHANGE')
    GROUP BY threads.id, threads."inboxId", threads.status
),
outcomes AS (
    SELECT
        closings.thread,
        closings.inbox_id,
        CASE WHEN COUNT(events.id) > 0 THEN 1 ELSE 0 END AS is_reopened
    FROM closings
    LEFT JOIN messages AS events
        ON events."conversationsThreadId" = closings.thread
        AND events.type = 'THREAD_STATUS_CHANGE'
        AND events."newStatus" = 'OPEN'
        AND events."createdAt" > closings.closed
    WHERE closings.status = 'CLOSED' OR closings.closed IS NOT NULL
    GROUP BY closings.thread, closings.inbox_id
)
SELECT
    COALESCE(inboxes.name, outcomes.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS closed,
    SUM(outcomes.is_reopened) AS reopened,
    CAST(AVG(outcomes.is_reopened) AS DOUBLE PRECISION) AS rate
FROM outcomes
LEFT JOIN inboxes ON inboxes.id = outcomes.inbox_id
GROUP BY outcomes.inbox_id, inboxes.name
ORDER BY inbox, outcomes.inbox_id;
