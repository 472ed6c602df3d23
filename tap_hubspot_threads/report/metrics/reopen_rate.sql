-- Reopened threads
-- Of the threads that were ever closed, the share (0 to 1) that was opened again afterwards. A
-- thread counts once, however often it was reopened and whatever its status is now. It does not
-- matter who closed or reopened it, or whether the contact has written. Threads that are
-- archived, spam or not in `threads` are left out.
WITH closings AS (
    -- The first closing of each thread; `closedAt` stands for events that are not loaded yet.
    SELECT threads.id AS thread, threads."inboxId" AS inbox_id, MIN(events."createdAt") AS closed
    FROM threads
    LEFT JOIN messages AS events
        ON events."conversationsThreadId" = threads.id
        AND events.type = 'THREAD_STATUS_CHANGE'
        AND events."newStatus" = 'CLOSED'
    WHERE threads.archived IS NOT TRUE AND threads.spam IS NOT TRUE
    GROUP BY threads.id, threads."inboxId", threads.status
    HAVING COUNT(events.id) > 0 OR threads.status = 'CLOSED'
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
